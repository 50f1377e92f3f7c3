"""Charts: lengths that mean what they say, words for who does not see them, and text that stays text."""

from __future__ import annotations

import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cudadoctor.report.html.charts import (
    Bar,
    Paint,
    Reference,
    Scale,
    Series,
    Stack,
    Stretch,
    Svg,
    Track,
    bars_with_intervals,
    curve,
    lanes,
    stacked_bar,
)

LINEAR = Scale(label="GB/s", show=lambda value: f"{value:g}")
LOG = Scale(label="time", show=lambda value: f"{value:g} s", log=True)
HOSTILE = "</svg></style><script>alert(1)</script>\x1b\u202e&\"'"


def tree(svg: Svg | None) -> ElementTree.Element:
    assert svg is not None
    return ElementTree.fromstring(svg.markup)


def of_class(root: ElementTree.Element, kind: str) -> list[ElementTree.Element]:
    return [each for each in root.iter() if kind in each.get("class", "").split()]


def texts(root: ElementTree.Element) -> list[str]:
    return ["".join(each.itertext()) for each in root.iter("text")]


def test_the_length_of_a_bar_is_its_value_and_its_whiskers_stand_at_the_interval() -> None:
    bars = [Bar(label="one", value=20, interval=(10, 40)), Bar(label="two", value=40)]
    root = tree(bars_with_intervals("Rates", bars, LINEAR))
    first, second = of_class(root, "area")
    assert float(second.get("width", "")) == pytest.approx(2 * float(first.get("width", "")), abs=0.1)
    line = of_class(root, "whisker")[0]
    start = float(first.get("x", ""))
    wide = float(second.get("width", "")) / 40
    assert float(line.get("x1", "")) == pytest.approx(start + 10 * wide, abs=0.1)
    assert float(line.get("x2", "")) == pytest.approx(start + 40 * wide, abs=0.1)


def test_on_a_log_axis_equal_factors_are_equal_steps() -> None:
    bars = [Bar(label=str(value), value=value, interval=(value / 2, value * 2)) for value in (1, 10, 100)]
    root = tree(bars_with_intervals("Times", bars, LOG))
    ends = [float(each.get("x", "")) for each in of_class(root, "area") if each.get("width") == "3"]
    assert len(ends) == 3
    assert ends[1] - ends[0] == pytest.approx(ends[2] - ends[1], abs=0.1)


def test_a_line_of_reference_stands_at_its_value_and_is_on_the_axis() -> None:
    root = tree(bars_with_intervals("Rates", [Bar(label="one", value=20)], LINEAR, references=[Reference(80, "rate")]))
    bar = of_class(root, "area")[0]
    per_unit = float(bar.get("width", "")) / 20
    assert float(of_class(root, "reference")[0].get("x1", "")) == pytest.approx(2 + 80 * per_unit, abs=0.3)
    assert "rate" in texts(root)


def test_the_parts_of_a_stacked_bar_touch_and_sum_to_the_whole() -> None:
    stacks = [
        Stack(label="gpu", parts=(("launches", 30.0), ("kernels", 60.0), ("rest", 10.0))),
        Stack(label="cpu", parts=(("kernels", 50.0),)),
    ]
    svg = stacked_bar("Where the time went", stacks, LINEAR)
    root = tree(svg)
    bars = [each for each in of_class(root, "area") if each.get("height") == "20"]
    spans = [(float(each.get("x", "")), float(each.get("width", ""))) for each in bars]
    for (x, wide), (after, _) in pairwise(spans[:3]):
        assert x + wide == pytest.approx(after, abs=0.02)
    whole = sum(wide for _, wide in spans[:3])
    assert spans[3][1] == pytest.approx(whole / 2, abs=0.05)
    assert [text for text in texts(root) if text.endswith("%")] == ["30 %", "60 %", "10 %", "100 %"]
    assert bars[1].get("class") == bars[3].get("class")
    assert svg is not None
    assert "gpu: 100 in all, of which launches 30; kernels 60; rest 10." in svg.description


def test_parts_cannot_be_added_on_a_log_axis() -> None:
    with pytest.raises(ValueError, match="log axis"):
        stacked_bar("x", [Stack(label="a", parts=(("b", 1.0),))], LOG)


def test_an_unknown_value_breaks_the_curve() -> None:
    points = ((1.0, 1.0), (2.0, 2.0), (3.0, None), (4.0, 4.0), (5.0, 5.0))
    root = tree(curve("Loss", [Series(name="lane", points=points)], LINEAR, LINEAR))
    assert len([each for each in of_class(root, "line") if each.tag == "path"]) == 2
    assert len(of_class(root, "point")) == 4 + 1  # and one in the legend


def test_each_series_has_its_own_colour_shape_and_dashes() -> None:
    series = [Series(name=f"lane {place}", points=((1.0, 1.0), (2.0, float(place)))) for place in range(4)]
    root = tree(curve("Loss", series, LINEAR, LINEAR))
    lines = [each.get("class") for each in of_class(root, "line") if each.tag == "path"]
    assert len(set(lines)) == 4
    shapes = {(each.tag, (each.get("d") or "")[-6:]) for each in of_class(root, "point")}
    assert len({shape for shape in shapes if shape[0] != "path"}) == 2
    assert set(texts(root)) >= {"lane 0", "lane 1", "lane 2", "lane 3", "GB/s"}


def test_break_even_and_level_lines_stand_where_they_belong() -> None:
    series = [Series(name="a", points=((0.0, 0.0), (100.0, 50.0)))]
    svg = curve("x", series, LINEAR, LINEAR, levels=[Reference(25, "half")], thresholds=[Reference(50, "break-even")])
    level, threshold = of_class(tree(svg), "reference")
    assert float(level.get("y1", "")) == float(level.get("y2", ""))
    assert float(threshold.get("x1", "")) == float(threshold.get("x2", ""))
    line = next(each for each in of_class(tree(svg), "line") if each.tag == "path")
    (x1, y1), (x2, y2) = ([float(n) for n in pair.split()] for pair in line.get("d", "")[1:].split("L"))
    assert float(threshold.get("x1", "")) == pytest.approx((x1 + x2) / 2, abs=0.02)
    assert float(level.get("y1", "")) == pytest.approx((y1 + y2) / 2, abs=0.02)


def test_a_drawing_has_a_title_and_says_in_words_what_it_shows() -> None:
    series = [Series(name="cpu", points=((1.0, 0.5), (2.0, 0.9), (3.0, 0.25)))]
    svg = curve("Loss", series, LINEAR, Scale(label="loss", show=lambda value: f"{value:g}"))
    root = tree(svg)
    assert root.get("role") == "img"
    assert [root[0].tag, root[0].text, root[1].tag] == ["title", "Loss", "desc"]
    assert root[1].text == "Loss. loss over GB/s. cpu: 0.5 at 1, 0.25 at 3; between 0.25 and 0.9."


@pytest.mark.parametrize("values", [[], [float("nan")], [0.0, -1.0]])
def test_without_anything_to_draw_there_is_no_chart(values: list[float]) -> None:
    assert bars_with_intervals("x", [Bar(label="a", value=value) for value in values], LOG) is None
    assert curve("x", [Series(name="a", points=tuple((1.0, value) for value in values))], LOG, LOG) is None
    assert stacked_bar("x", [Stack(label="a", parts=tuple(("b", value) for value in values))], LINEAR) is None


def drawings(label: str, values: list[float]) -> list[Svg | None]:
    bars = [Bar(label=label, value=value, interval=(value, value * 2), style=3) for value in values]
    series = [Series(name=label, points=tuple((float(place), value) for place, value in enumerate(values)))]
    stacks = [Stack(label=label, parts=tuple((f"{label} {place}", value) for place, value in enumerate(values)))]
    paint = Paint(label, 9)
    spans = (Stretch(start=value, end=value + 1, paint=paint, told=label, filled=value) for value in values)
    tracks = [
        Track(label=label, stretches=tuple(spans)),
        Track(label=label, shares=((paint, tuple(values)), (paint, tuple(values))), bucket=1.0),
    ]
    return [
        *(bars_with_intervals(label, bars, scale, references=[Reference(1, label)]) for scale in (LINEAR, LOG)),
        *(curve(label, series, LINEAR, scale, levels=[Reference(1, label)]) for scale in (LINEAR, LOG)),
        stacked_bar(label, stacks, LINEAR),
        *(lanes(label, [track], length, LINEAR, label) for track in tracks for length in (1.0, *values)),
    ]


def test_hostile_names_stay_text() -> None:
    for svg in drawings(HOSTILE, [1.0, 2.0]):
        root = tree(svg)
        assert {each.tag for each in root.iter()} <= {
            "svg", "title", "desc", "text", "rect", "line", "path", "circle",
        }  # fmt: skip
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", "".join(root.itertext()))
        assert root[0].text == HOSTILE.replace("\x1b", r"\x1b").replace("\u202e", r"\u202e")


@given(st.text(max_size=8), st.lists(st.floats(), max_size=5))
def test_no_numbers_break_a_drawing(label: str, values: list[float]) -> None:
    for svg in drawings(label, values):
        if svg is None:
            continue
        for element in tree(svg).iter():
            for name, value in element.attrib.items():
                if name not in ("class", "role"):
                    assert not re.search("nan|inf", value), (element.tag, name, value)


KERNEL, COPY, FAINT = Paint("kernels", 0), Paint("copies", 1), Paint("calling copies", 1, True)


def test_a_span_of_a_lane_starts_and_ends_at_its_times_and_is_as_high_as_it_is_filled() -> None:
    spans = (
        Stretch(start=0, end=25, paint=KERNEL, told="forward"),
        Stretch(start=50, end=100, paint=COPY, filled=0.5),
    )
    root = tree(lanes("Steps", [Track(label="stream 7", stretches=spans)], 100, LINEAR, "Words."))
    first, second = (each for each in of_class(root, "area") if each.get("height") in ("16", "8"))
    assert float(second.get("width", "")) == pytest.approx(2 * float(first.get("width", "")), abs=0.1)
    left, right = float(first.get("x", "")), float(second.get("x", "")) + float(second.get("width", ""))
    assert float(second.get("x", "")) == pytest.approx((left + right) / 2, abs=0.1)
    assert float(second.get("y", "")) + 8 == pytest.approx(float(first.get("y", "")) + 16)
    assert first[0].text == "forward"
    assert root[1].text == "Steps. Words."
    assert {"stream 7", "kernels", "copies", "GB/s"} <= set(texts(root))


def test_shares_of_buckets_are_stacked_in_one_path_a_paint() -> None:
    track = Track(label="GPU 0", shares=((KERNEL, (0.5, 0.0)), (FAINT, (0.25, 1.0))), bucket=5.0)
    paths = list(tree(lanes("Run", [track], 10, LINEAR, "")).iter("path"))
    assert [each.get("class") for each in paths] == ["area s0", "area s1 faint"]
    boxes = [re.findall(r"M([\d.]+) ([\d.]+)h([\d.]+)v([\d.]+)", each.get("d", "")) for each in paths]
    ((kernel,), (above, whole)) = ([[float(n) for n in box] for box in found] for found in boxes)
    assert kernel[3] == pytest.approx(17)
    assert above[1] + above[3] == pytest.approx(kernel[1])
    assert whole[3] == pytest.approx(34)
    assert whole[0] == pytest.approx(kernel[0] + kernel[2])


def test_lanes_without_anything_on_them_are_no_chart() -> None:
    assert lanes("x", [Track(label="a")], 10, LINEAR, "") is None
    assert lanes("x", [Track(label="a", stretches=(Stretch(start=0, end=1, paint=COPY),))], 0, LINEAR, "") is None
    assert lanes("x", [Track(label="a", shares=((COPY, (1.0,)),), bucket=1.0)], float("nan"), LINEAR, "") is None
