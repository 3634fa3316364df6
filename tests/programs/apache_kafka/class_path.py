"""Apache Kafka's jars, by Maven: resolved once, then found in a file beside the other local state."""

import fcntl
import hashlib
import re
import shutil
import subprocess
from pathlib import Path

_HERE = Path(__file__).parent
_CACHE = Path(__file__).parents[3] / ".local" / "apache-kafka"
_RESOLVE = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath"
_OLDEST_JAVA = 17


class NoApacheKafka(RuntimeError):
    """Apache Kafka cannot be had here; the message says why and what to do, in a sentence."""


def class_path() -> str:
    """The jars of Kafka and of all it needs, as `java -cp` takes them. Raises NoApacheKafka.

    The first call on a machine has Maven download them (some 40 MB, into Maven's own repository); several processes may
    call at once.
    """
    _check_java()
    pom = _HERE / "pom.xml"
    _CACHE.mkdir(parents=True, exist_ok=True)
    known = _CACHE / f"class-path-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}"
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not known.exists() or not all(Path(jar).exists() for jar in known.read_text().split(":")):
            known.write_text(_resolved(pom))
        return known.read_text()


def _check_java() -> None:
    java = shutil.which("java")
    if java is None:
        raise NoApacheKafka(
            "the tests on Apache Kafka need Java 17 or later and Maven: apt-get install openjdk-17-jre-headless maven"
        )
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < _OLDEST_JAVA:
        raise NoApacheKafka(f"Apache Kafka needs Java {_OLDEST_JAVA} or later; {java} says: {said.splitlines()[0]}")


def _resolved(pom: Path) -> str:
    maven = shutil.which("mvn")
    if maven is None:
        raise NoApacheKafka("the tests on Apache Kafka need Maven to fetch it: apt-get install maven")
    resolved = _CACHE / "resolved"
    command = [maven, "--batch-mode", "--quiet", "--strict-checksums", "--file", str(pom), _RESOLVE]
    options = ["-DincludeScope=runtime", f"-Dmdep.outputFile={resolved}"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoApacheKafka(f"Maven could not fetch Apache Kafka: {(done.stdout + done.stderr).strip()[:2000]}")
    return resolved.read_text().strip()
