"""The report of a comparison: what it says, that nothing in the data can break it, and how browsers show it."""

import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from browser import Browser, needs_browser
from common import needs
from comparison_runs import FEATURES, METHODS, make, make_adapted, run_of

FEW = ("lda", "ridge-rp", "sgd", "ridge-joint")
HOSTILE = '<script>alert("1")</script>\'"&<img src=x onerror=alert(2)>$\\frac{ ]]> --> \x00\x1b\ud800 &amp; 漢字'
VOID = {"meta", "br", "img", "link", "input"}


@pytest.fixture(scope="module", autouse=True)
def _plots():
    needs("matplotlib", "ANALYTIC_CL_REQUIRE_BROWSER")


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A report of everything there can be."""
    folder = make(tmp_path_factory.mktemp("report") / "full")
    png = folder / "heat.png"
    from matplotlib.figure import Figure

    Figure(figsize=(2, 1)).savefig(png)
    rows = [["LDA", "identical to retraining", 0.0, True, None], ["influence", "approximate", 1.23456e-7, False, 1234]]
    section = {"title": "Forgetting compared", "note": "Notes.", "columns": ["a", "b", "c", "d", "e"], "rows": rows}
    (folder / "unlearning.json").write_text(json.dumps(section | {"figure": None}))
    (folder / "quantisation.json").write_text(json.dumps(section | {"title": "Bits", "figure": "heat.png"}))
    make_adapted(folder)
    write(folder)
    return folder


def write(folder):
    from analytic_cl.report import write as write_report

    path = write_report(folder)
    assert path == folder / "report.html"
    return path.read_text(encoding="utf-8")


class Page(HTMLParser):
    """Checks that elements nest and close, and collects them and the text."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.words = [], [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "svg"} & set(self.open):
            self.words.append(data)

    @property
    def text(self):
        return re.sub(r"\s+", " ", " ".join(self.words))

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def test_a_report_is_one_page_that_nests_and_loads_nothing(full):
    text = (full / "report.html").read_text(encoding="utf-8")
    page = Page(text)

    assert not page.all("script")
    assert not page.all("link")
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/png;base64,"))
    assert not re.search(r"@import|url\((?!#)", text)
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for target in re.findall(r'(?:href="|url\()#([^")]+)', text):
        assert target in ids


def test_a_report_has_its_sections_in_order_and_writes_pngs_and_nothing_else(full):
    page = Page((full / "report.html").read_text(encoding="utf-8"))
    titles = [
        "Summary",
        "Accuracy over sessions",
        "What is kept",
        "Cost against accuracy",
        "Another head costs its solve only",
        "Deletion requests",
        "Adapted to label-shift:0.1",
        "Forgetting compared",
        "Bits",
        "How to reproduce",
    ]

    places = [page.words.index(title) for title in titles]
    assert places == sorted(places)
    names = {"accuracy", "matrices", "cost", "shared", "adapted-label-shift-0.1"}
    assert {attributes["id"] for attributes in page.all("figure") if "id" in attributes} == names
    given = {"runs", "adapted", "settings.json", "unlearning.json", "quantisation.json", "heat.png"}
    assert {path.name for path in full.iterdir()} == {f"{name}.png" for name in names} | given | {"report.html"}
    for name in names:
        assert (full / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    pictures = [attributes for attributes in page.all("div") if attributes.get("role") == "img"]
    assert all(len(picture["aria-label"]) > 20 for picture in pictures)
    assert all(attributes.get("alt") for attributes in page.all("img"))
    assert all("scope" in attributes for attributes in page.all("th"))


def test_the_sentence_names_the_best_of_each_kind_and_the_deletions(full):
    page = Page((full / "report.html").read_text(encoding="utf-8"))
    lead = page.text[: page.text.index("Summary")]

    assert "ridge, 5,000 random features ends highest, at .952" in lead
    assert "GaussianNB (scikit-learn) reaches .86" in lead
    assert "trained on everything at once, LDA (scikit-learn) reaches .928" in lead
    assert "all 135 deletions are identical to retraining." in lead


def test_the_same_files_give_the_same_page(tmp_path):
    folder = make(tmp_path / "same", FEW, seeds=1, n_sessions=3)

    assert write(folder) == write(folder)


def test_intervals_are_those_of_the_t_distribution(tmp_path):
    def change(run):
        run["summary"]["last"] = [0.90, 0.92, 0.97][run["seed"]]

    page = Page(write(make(tmp_path / "t", ("lda",), change=change, n_sessions=2)))
    half = 4.302653 * np.std([0.90, 0.92, 0.97], ddof=1) / 3**0.5

    assert f".930 ±{half:.3f}".replace("±0", "±") in page.text


def test_one_seed_has_no_interval_and_one_method_no_contest(tmp_path):
    page = Page(write(make(tmp_path / "one", ("nearest-mean",), seeds=1, n_sessions=4, shared=False)))

    assert "±" not in page.text.split("Summary")[0]
    assert not re.search(r"±\s?[.\d]", page.text)
    assert not re.search(r"\bother libraries' learners", page.text)
    assert "nearest mean ends at .916" in page.text.lower()
    assert not [attributes for attributes in page.all("figure") if attributes["id"] in ("cost", "shared")]


@pytest.mark.parametrize("methods", [("sgd", "gaussian-nb"), ("ridge-joint",), ("lda", "ridge")])
def test_kinds_of_methods_may_be_missing(tmp_path, methods):
    page = Page(write(make(tmp_path / "some", methods, seeds=2, n_sessions=5)))

    for method in methods:
        assert METHODS[method][0].removesuffix(", joint") in page.text


def test_the_best_stands_out_and_joint_methods_do_not_take_part(tmp_path):
    text = write(make(tmp_path / "best", ("lda", "nearest-mean", "lda-joint"), seeds=1, n_sessions=3))

    assert "<b>.931</b>" in text
    assert "<b>.928</b>" not in text
    assert "<b>.916</b>" not in text


def test_hostile_names_are_shown_and_do_nothing(tmp_path):
    def change(run):
        run["label"] += HOSTILE
        run["estimator"] = run["quantizer"] = HOSTILE
        run["versions"] = run["machine"] = {HOSTILE: HOSTILE}
        run["tuned"] = {HOSTILE: HOSTILE}
        run["date"] = HOSTILE
        for session in run["sessions"]:
            session["name"] = session["digest"] = HOSTILE
            for request in session["requests"]:
                request["reason"] = HOSTILE

    folder = make(tmp_path / "hostile", FEW, seeds=2, n_sessions=6, change=change)
    settings = json.loads((folder / "settings.json").read_text())
    settings |= {
        "origin": {"features": {"name": HOSTILE, "extractor": HOSTILE}},
        "features": FEATURES | {"name": HOSTILE, "sha256": HOSTILE},
    }
    settings["shared"] = {HOSTILE: 1.0}
    (folder / "settings.json").write_text(json.dumps(settings))
    section = {"title": HOSTILE, "note": HOSTILE, "columns": [HOSTILE], "rows": [[HOSTILE]], "figure": None}
    (folder / "unlearning.json").write_text(json.dumps(section))
    make_adapted(folder, ("lda", "ridge-rp"), seeds=1, extra=HOSTILE, last=HOSTILE)
    page = Page(write(folder))

    assert not page.all("script")
    assert not [attributes for _, attributes in page.elements if "onerror" in attributes]
    assert not [attributes for attributes in page.all("img") if attributes.get("src") == "x"]
    assert page.text.count('<script>alert("1")</script>') > 20
    assert not re.search("[\x00-\x08\x0b-\x1f\ud800-\udfff]", "".join(page.words))


def test_what_was_not_measured_is_a_dash_and_no_number(tmp_path):
    def change(run):
        run["summary"] = dict.fromkeys(run["summary"]) | {"last": run["summary"]["last"]}
        for i, session in enumerate(run["sessions"]):
            for key in ("seconds_learn", "seconds_solve", "seconds_shared", "seconds_predict", "digest", "macro"):
                session[key] = None
            session["accuracy"] = [None] * len(session["accuracy"])
            session["accuracy_seen"] = None if i == 1 else session["accuracy_seen"]
            for request in session["requests"]:
                request.update(dict.fromkeys(set(request) - {"reason", "rows", "seconds"}))

    page = Page(write(make(tmp_path / "null", FEW, n_sessions=4, change=change, shared=False)))

    assert "nan" not in page.text.lower()
    assert "None" not in page.text
    assert "not checked" in page.text
    assert "identical to retraining." not in page.text
    assert {attributes["id"] for attributes in page.all("figure")} == {"accuracy"}


def test_a_deletion_that_differs_from_retraining_is_said_loudly(tmp_path):
    def change(run):
        if run["seed"] == 1:
            run["sessions"][2]["requests"][0]["identical"] = False

    page = Page(write(make(tmp_path / "bad", ("lda",), n_sessions=3, change=change)))

    assert "1 of 3 deletions differ from retraining" in page.text
    assert "Identical to retraining:" not in page.text


def test_requests_that_a_method_did_not_carry_out_are_left_out(tmp_path):
    def change(run):
        for session in run["sessions"]:
            asked = {"reason": "subject 7", "rows": 3, "identical": None, "seconds": None}
            session["requests"] = [asked] if run["kind"] != "exact" else session["requests"]

    page = Page(write(make(tmp_path / "both", ("lda", "sgd"), seeds=1, n_sessions=3, change=change)))
    assert "the one deletion is identical to retraining." in page.text
    assert "subject 7" not in page.text

    page = Page(write(make(tmp_path / "peer", ("sgd",), seeds=1, n_sessions=3, change=change)))
    assert "Deletion requests" not in page.text


def test_150_sessions_of_a_class_each_fit(tmp_path):
    page = Page(write(make(tmp_path / "many", ("lda", "sgd"), seeds=1, n_sessions=150)))

    assert "class‑incremental, 150 sessions" in page.text  # noqa: RUF001


def test_one_session_needs_no_curve(tmp_path):
    page = Page(write(make(tmp_path / "single", FEW, n_sessions=1)))

    assert {attributes["id"] for attributes in page.all("figure")} == {"cost", "shared"}


def test_unfinished_seeds_and_unknown_methods_are_shown_as_such(tmp_path):
    folder = make(tmp_path / "part", FEW, n_sessions=3)
    (folder / "runs" / "lda-2.json").unlink()
    for seed in range(3):
        for name in "abcdef":
            run = run_of("gaussian-nb", seed, 3) | {"method": f"own-{name}", "label": f"their own {name}"}
            (folder / "runs" / f"own-{name}-{seed}.json").write_text(json.dumps(run))
    page = Page(write(folder))

    assert "Not all seeds are finished: LDA (2 of 3)." in page.text
    assert "their own f" in page.text


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "settings.json").unlink(), r"settings\.json is missing"),
        (lambda folder: (folder / "settings.json").write_text("{"), r"settings\.json is not readable JSON"),
        (lambda folder: (folder / "settings.json").write_text("[]"), "must be a JSON object, got list"),
        (lambda folder: [path.unlink() for path in (folder / "runs").iterdir()], "holds no finished run"),
        (
            lambda folder: edit(folder, format=1),
            r"lda-0\.json: format is 1; .* reads format 2, so run the comparison again",
        ),
        (lambda folder: edit(folder, sessions=[]), "no session in it"),
        (lambda folder: edit(folder, sessions=[3]), "a session must be a JSON object"),
        (lambda folder: edit(folder, label=None), "no 'label' of type str"),
        (lambda folder: edit(folder, kind="other"), "kind is 'other', not one of exact, peer, joint"),
        (lambda folder: edit(folder, scenario="online"), "runs of two comparisons share a folder"),
        (lambda folder: edit(folder, sessions=[{"requests": [{}]}]), "a request has no 'reason'"),
        (lambda folder: spoil_adapted(folder, test_stream="unshifted"), "which is kept in another folder"),
        (lambda folder: spoil_adapted(folder, base={}), "base has no 'batches' of type list"),
        (lambda folder: spoil_adapted(folder, adapted={"lame": {"label": "LAME"}}), "adapted 'lame' has no 'batches'"),
        (lambda folder: section(folder, rows=[[1, 2]]), "must be a list of 1 cells"),
        (lambda folder: section(folder, figure="absent.png"), r"absent\.png, which is not in"),
        (lambda folder: section(folder, figure="../secret.png"), r"the name of a \.png file in this folder"),
        (lambda folder: section(folder, figure="/etc/passwd"), r"the name of a \.png file in this folder"),
    ],
)
def test_bad_files_are_named_and_nothing_is_written(tmp_path, spoil, message):
    folder = make(tmp_path / "folder", ("lda",), seeds=1, n_sessions=2)
    spoil(folder)

    with pytest.raises(ValueError, match=message):
        write(folder)
    assert not [path for path in folder.iterdir() if path.suffix in (".html", ".png")]


def test_gains_and_losses_of_adaptations_are_said_where_they_are_beyond_chance(tmp_path):
    folder = make(tmp_path / "said", ("lda",), n_sessions=2)
    make_adapted(folder, ("lda",), seeds=5, n_batches=400)
    page = Page(write(folder))

    assert re.search(r"label shift gains with 1 of 1 head, most \+\.0[23]\d \(LDA\) ?;", page.text)
    assert re.search(r"growing memory loses with 1 of 1 head, most \u2212\.0[23]\d \(LDA\)", page.text)
    assert "One seed" not in page.text

    folder = make(tmp_path / "one", ("lda",), seeds=1, n_sessions=2)
    make_adapted(folder, ("lda",), seeds=1, n_batches=1)
    page = Page(write(folder))
    assert "One seed: nothing says how much of a difference is chance." in page.text
    assert "adapted-label-shift-0.1" not in {attributes["id"] for attributes in page.all("figure")}  # a single batch


def edit(folder, **values):
    path = folder / "runs" / "lda-0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def spoil_adapted(folder, **values):
    make_adapted(folder, ("lda",), seeds=1)
    path = folder / "adapted" / "label-shift-0.1" / "lda-0.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def section(folder, **values):
    whole = {"title": "t", "note": "", "columns": ["a"], "rows": [[1]], "figure": None} | values
    (folder / "quantisation.json").write_text(json.dumps(whole))


def test_without_matplotlib_the_report_names_the_extra(tmp_path, monkeypatch):
    folder = make(tmp_path / "folder", ("lda",), seeds=1, n_sessions=2)
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    with pytest.raises(ImportError, match=r"pip install 'analytic-cl\[plots\]'"):
        write(folder)
    assert not (folder / "report.html").exists()


def test_places_in_pixels_follow_the_resolution_of_a_picture():
    from matplotlib.figure import Figure

    from analytic_cl.report.figure_parts import add_axes, pixels, resize

    figure = Figure()
    resize(figure, 400, 200)
    axes = add_axes(figure, 30, 20, 300, 100)
    assert pixels(axes).transform((10, 5)) == pytest.approx((40, 25))
    figure.set_dpi(144)
    assert pixels(axes).transform((10, 5)) == pytest.approx((80, 50))


# ---- in a browser

OVERFLOW = "document.documentElement.scrollWidth"
# Elements that reach beyond the page although no box of their own scrolls them.
STRAYS = """[...document.querySelectorAll('body *')].filter(e => {
  const box = e.getBoundingClientRect();
  return box.width && box.right > innerWidth + 1 && !e.closest('.scroll, pre, .hidden') && !e.closest('svg');
}).map(e => e.outerHTML.slice(0, 120))"""
# Text that an SVG cuts off, and how much it draws.
FIGURES = """[...document.querySelectorAll('figure')].map(figure => {
  const svg = [...figure.querySelectorAll('svg')].find(e => e.getClientRects().length);
  if (!svg) return {id: 'image', image: figure.querySelector('img').naturalWidth};
  const frame = svg.getBoundingClientRect();
  const texts = [...svg.querySelectorAll('text')];
  return {
    id: figure.id, width: frame.width, height: frame.height, texts: texts.length,
    size: Math.min(...texts.map(e => parseFloat(getComputedStyle(e).fontSize) * svg.getScreenCTM().a)),
    shapes: svg.querySelectorAll('path, use, image, rect').length,
    cut: texts.filter(e => {
      const box = e.getBoundingClientRect();
      return box.left < frame.left - 1 || box.right > frame.right + 1 || box.top < frame.top - 1;
    }).map(e => e.textContent)
  };
})"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    path = needs_browser()
    with Browser(path, tmp_path_factory.mktemp("browser") / "profile") as opened:
        yield opened


@pytest.mark.parametrize("width", [1280, 720, 400])
def test_a_browser_shows_every_figure_without_overflow_errors_or_requests(browser, full, width):
    page = full / "report.html"
    browser.open(page.as_uri(), width)

    assert browser.evaluate(OVERFLOW) == width
    assert browser.evaluate(STRAYS) == []
    figures = {figure["id"]: figure for figure in browser.evaluate(FIGURES)}
    assert figures.keys() == {"accuracy", "matrices", "cost", "shared", "adapted-label-shift-0.1", "image"}
    assert figures.pop("image")["image"] > 100
    for figure in figures.values():
        assert figure["width"] > 0.8 * width - 100, figure
        assert figure["height"] > 60, figure
        assert figure["texts"] >= 4, figure
        assert figure["shapes"] >= 2, figure
        assert figure["size"] > 7.5, figure
        assert figure["cut"] == [], figure
    told = [event for event in browser.events if event["method"] in ("Log.entryAdded", "Runtime.consoleAPICalled")]
    assert told == []
    assert not [event for event in browser.events if event["method"] == "Runtime.exceptionThrown"]
    asked = [event["params"]["request"]["url"] for event in browser.events if "request" in event.get("params", {})]
    assert {url for url in asked if not url.startswith("data:")} == {page.as_uri()}


def test_hostile_names_and_long_names_do_not_widen_the_page(browser, tmp_path):
    def change(run):
        run["label"] += "W" * 300
        run["estimator"] = "x" * 3000
        for session in run["sessions"]:
            for request in session["requests"]:
                request["reason"] = HOSTILE + "y" * 300

    folder = make(tmp_path / "long", FEW, seeds=1, n_sessions=4, change=change)
    make_adapted(folder, seeds=1, extra="W" * 300)
    write(folder)
    for width in (1280, 400):
        browser.open((folder / "report.html").as_uri(), width)
        browser.evaluate("document.querySelectorAll('details').forEach(e => e.open = true)")
        assert browser.evaluate(OVERFLOW) == width
        assert [figure for figure in browser.evaluate(FIGURES) if figure["cut"]] == []


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_the_page(browser, full, dark):
    browser.open((full / "report.html").as_uri(), 1280, dark=dark)
    colours = browser.evaluate(
        """[getComputedStyle(document.body).backgroundColor, ...new Set(
          [...document.querySelectorAll('body, p, dt, dd, th, td, b, .half, .good, summary, svg text')].map(
            e => getComputedStyle(e)[e.tagName == 'text' ? 'fill' : 'color']))]"""
    )
    paper, *others = [luminance(colour) for colour in colours]

    assert (paper < 0.1) == dark
    for other in others:
        assert (max(paper, other) + 0.05) / (min(paper, other) + 0.05) >= 4.5


def luminance(colour):
    channels = np.array([int(value) for value in re.findall(r"\d+", colour)[:3]]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
