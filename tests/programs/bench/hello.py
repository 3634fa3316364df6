"""The bare functions-framework hello world whose start create-task's is measured against."""

import functions_framework


@functions_framework.http
def hello(_request: object) -> str:
    return "hello"
