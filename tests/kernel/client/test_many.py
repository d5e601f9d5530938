"""Many experiments at once, from Python."""

from __future__ import annotations

from submarine_jupyter import SubmarineClient
from tests.kernel.client.test_client import spec


def test_orders_for_many_are_counted_and_pages_are_joined(client: SubmarineClient) -> None:
    made = [client.create(spec("sleep 600", tags=["many-of-these"])).id for _ in range(5)]

    counted = client.stop_all({"tag": "many-of-these"}, dry_run=True)
    assert (counted, counted.total) == (made[::-1], 5)
    assert not client.get(made[0]).has_ended
    rows = client.rows({"tag": ["many-of-these"]}, limit=2, every=True)
    assert [row["experimentId"] for row in rows] == made[::-1]
    assert len(client.rows({"tag": ["many-of-these"]}, limit=2)) == 2
    client.annotate(made[0], {"archived": True, "note": "first"})
    assert len(client.rows({"tag": "many-of-these"})) == 4
    assert [row["note"] for row in client.rows({"archived": "true", "q": "first"})] == ["first"]
    assert client.knows("param.nobody") is False
    assert client.delete_all({"tag": "many-of-these", "archived": "any"}).total == 5
    assert client.rows({"tag": "many-of-these", "archived": "any"}) == []
