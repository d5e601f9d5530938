"""What people should know about the server: said while it holds, no longer."""

from __future__ import annotations

import logging

import pytest

from submarine_jupyter.errors import StorageFull
from submarine_jupyter_server.process.notices import Notices, cause


def test_a_notice_stands_until_it_is_dropped_in_the_order_of_the_first_time() -> None:
    notices = Notices()
    assert (list(notices), len(notices)) == ([], 0)
    notices.put("disk", "The disk is full.")
    notices.put("target", "The target does not start.")
    notices.put("disk", "The disk is still full.")
    assert list(notices) == ["The disk is still full.", "The target does not start."]
    notices.drop("disk")
    notices.drop("disk")
    assert list(notices) == ["The target does not start."]


def test_a_notice_is_logged_when_it_is_new(caplog: pytest.LogCaptureFixture) -> None:
    notices = Notices()
    with caplog.at_level(logging.WARNING, "submarine_jupyter_server.process.notices"):
        for sentence in ("One.", "Two."):
            notices.put("key", sentence)
        notices.drop("key")
        notices.put("key", "Three.")
    assert [record.getMessage() for record in caplog.records] == ["Submarine: One.", "Submarine: Three."]


def test_a_cause_is_a_sentence_of_ours_or_names_its_type() -> None:
    assert cause(StorageFull("The disk is full.", hint="Free some space.")) == "The disk is full. (Free some space.)"
    assert cause(ValueError("odd")) == "ValueError: odd"
