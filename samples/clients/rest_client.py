"""Scores rows over REST, with Python's standard library alone.

    python rest_client.py http://localhost:8501/v1/models/NAME EXPORT/assets.extra/request.json

sends a body of requests as it is, and prints the scores of each row. `predict` does the same for columns in Python.
"""

import base64
import json
import sys
import urllib.error
import urllib.request


def predict(url, columns, signature="serving_default"):
    """Returns the scores of rows by name, one for each row.

    Args:
        url: of the model, such as http://localhost:8501/v1/models/shop.
        columns: the inputs by name, a list with a value for each row: texts, bytes, numbers, or lists of these.
        signature: which one to ask.

    Raises:
        RuntimeError: the server refuses; the message says which input and why.
    """
    body = {
        "signature_name": signature,
        "inputs": {name: [json_value(one) for one in columns[name]] for name in columns},
    }
    outputs = post(url, body)["outputs"]
    # Of one output the scores come without its name.
    return outputs if isinstance(outputs, dict) else {"score": outputs}


def json_value(value):
    """Returns a value as JSON holds it; bytes that are no text have a form of their own."""
    if isinstance(value, list):
        return [json_value(one) for one in value]
    return {"b64": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def post(url, body):
    """Returns what a server answers to a body."""
    request = urllib.request.Request(f"{url}:predict", json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise RuntimeError(f"{error.code}: {error.read().decode()}") from None


def main():
    """Sends a file."""
    url, path = sys.argv[1:]
    with open(path, encoding="utf-8") as file:
        for row in post(url, json.load(file))["predictions"]:
            print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()
