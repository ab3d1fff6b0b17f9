"""The counter as it is shipped."""


def test_A1_02_the_counter_counts_both_ways_and_survives_kill_9(drey, shipped):
    d = drey(conf=shipped)
    assert d.get("/counter/increment").text == "Count: 1\n"
    assert d.get("/counter/fetch/increment").json() == {"count": 2}
    assert d.post("/counter/fetch/decrement").json() == {"count": 1}
    assert d.get("/counter/increment?name=other").text == "Count: 1\n"
    d.kill9()
    d.start()
    assert d.get("/counter/value").text == "Count: 1\n"
    assert d.get("/counter/reset").text == "Count: 0\n"
    assert d.get("/counter/fetch/value").json() == {"count": 0}
    assert d.get("/counter/nonsense").status == 404


def test_a_thousand_parallel_increments_are_a_thousand(drey, shipped):
    d = drey(conf=shipped)
    assert all(r.status == 200 for r in d.storm(["/counter/increment"] * 1000))
    assert d.get("/counter/value").text == "Count: 1000\n"


def test_the_pages_are_served(drey, shipped):
    d = drey(conf=shipped)
    page = d.get("/counter/")
    assert page.status == 200 and page.header("content-type").startswith("text/html")
    assert "<h1>counter</h1>" in page.text
    index = d.get("/")
    assert index.status == 200 and 'href="/counter/"' in index.text
    assert d.get("/nowhere.html").status == 404
    assert d.get("/../conf/drey.conf").status in (400, 404)
