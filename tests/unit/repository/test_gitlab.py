"""The pipeline for GitLab is one by GitLab's own schema, and calls make targets that exist."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema_rs
import yaml

ROOT = Path(__file__).parents[3]
FILE = ROOT / "docs" / "gitlab-ci.yml"
PIPELINE: dict[str, Any] = yaml.safe_load(FILE.read_text())
JOBS = {name: job for name, job in PIPELINE.items() if isinstance(job, dict) and ("script" in job or "extends" in job)}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_gitlab_takes_it() -> None:
    schema = json.loads((files("check_jsonschema") / "builtin_schemas" / "vendor" / "gitlab-ci.json").read_text())
    assert list(jsonschema_rs.validator_for(schema).iter_errors(PIPELINE)) == []


def test_every_make_target_exists() -> None:
    lines = [line for job in JOBS.values() for line in (*job.get("script", ()), *job.get("after_script", ()))]
    called = {line.split()[1] for line in lines if line.startswith("make ")}
    assert called >= {"lint", "test", "push", "deploy"}
    assert called <= TARGETS


def test_production_gets_a_tag_alone_and_only_by_hand() -> None:
    assert JOBS["production"]["rules"] == [{"if": "$CI_COMMIT_TAG", "when": "manual"}]
    assert PIPELINE["stages"][-2:] == ["staging", "production"]


def test_each_push_to_main_is_built_and_deployed_to_staging_by_its_digest() -> None:
    main = {"if": "$CI_COMMIT_BRANCH == $CI_DEFAULT_BRANCH"}
    assert main in JOBS["build"]["rules"]
    assert main in JOBS["staging"]["rules"]
    assert JOBS["build"]["script"][-1] == 'echo "DIGEST=$(cat .local/digest)" > image.env'
    assert JOBS["build"]["artifacts"]["reports"]["dotenv"] == "image.env"


def test_what_came_of_it_is_told() -> None:
    """Success and failure of a deployment by its job, any other failure by one behind all stages."""
    assert PIPELINE[".deploy"]["after_script"][0].startswith('make notify TEXT="$CI_ENVIRONMENT_NAME: $CI_JOB_STATUS')
    told = JOBS["told"]
    assert told["stage"] == ".post"
    assert {rule["when"] for rule in told["rules"]} == {"on_failure"}
    assert told["script"][0].startswith("make notify ")


def test_the_image_of_python_is_the_one_of_the_dockerfile() -> None:
    assert f"FROM {PIPELINE['default']['image']} AS python" in (ROOT / "Dockerfile").read_text()
