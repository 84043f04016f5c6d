"""What hosts are asked, beside what their own programs say."""


def one(site, *words):
    """The answer of t1, as the command line has it."""
    [item] = site.json("client", "node", *words, "--target", "t1")["results"]
    assert (item["hostname"], item["status"], item["changed"]) == ("t1", "ok", False)
    return item


def test_every_host_tells_how_it_is(site):
    items = site.json("client", "node", "status")["results"]

    assert [item["hostname"] for item in items] == ["t1", "t2", "t3"]
