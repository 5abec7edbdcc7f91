"""`results.json`, against Python's own JSON."""

import json
import math

import pytest
import sample

from lab import results


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "results.json"
    results.write(sample.results(), path)
    assert results.read(path) == json.loads(path.read_text()) == sample.results()
    assert [file.name for file in tmp_path.iterdir()] == ["results.json"]


def test_a_list_of_numbers_is_a_line_and_an_entry_too():
    value = {"a": [1, 2.5, None], "b": [[1, 2], [3]], "c": {}, "d": [{"é": "[1, 2]"}], "e": []}
    text = results.to_json(value)
    assert json.loads(text) == value
    assert text.splitlines() == [
        "{",
        ' "a": [1, 2.5, null],',
        ' "b": [',
        "  [1, 2],",
        "  [3]",
        " ],",
        ' "c": {},',
        ' "d": [',
        "  {",
        '   "\\u00e9": "[1, 2]"',
        "  }",
        " ],",
        ' "e": []',
        "}",
    ]


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    with pytest.raises(ValueError, match="JSON compliant"):
        results.write({"parts": {"x": [1.0, math.nan]}}, path)
    assert path.read_text() == "old"


def test_no_file_is_no_part(tmp_path):
    empty = {"version": results.VERSION, "parts": {}, "pictures": {}}
    assert results.read(tmp_path / "results.json") == empty


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b'{"version": 3, "parts": {',
        b"\xff",
        b"[]",
        b'{"parts": {}, "pictures": {}}',
        b'{"version": 2, "parts": {}, "pictures": {}}',
        b'{"version": 3, "parts": [], "pictures": {}}',
        b'{"version": 3, "parts": {}}',
    ],
)
def test_a_file_of_something_else_is_named_in_one_line(tmp_path, text):
    path = tmp_path / "figures" / "results.json"
    path.parent.mkdir()
    path.write_bytes(text)
    with pytest.raises(results.ResultsError) as raised:
        results.read(path)
    message = str(raised.value)
    assert message.startswith("figures/results.json ")
    assert message.endswith(": move or delete it")
    assert "\n" not in message
    assert path.read_bytes() == text


def test_plain_is_what_json_gives_back():
    value = {1: (0.123456789, math.nan, -math.inf), "b": {"c": [True, None, "1e-9", 7]}}
    expected = {"1": [0.123457, None, None], "b": {"c": [True, None, "1e-9", 7]}}
    assert results.plain(value) == expected == json.loads(json.dumps(expected))
    assert results.plain(results.plain(value)) == expected


def test_settings_keep_all_their_digits():
    rate = 0.1 + 0.2
    value = {"settings": {"lr": rate, "more": [rate]}, "loss": rate}
    again = json.loads(json.dumps(results.plain(value)))
    assert again == {"settings": {"lr": rate, "more": [rate]}, "loss": 0.3}
