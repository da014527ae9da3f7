from __future__ import annotations

import pytest

from kfrun.errors import UsageProblem
from kfrun.report.jsonpath import JsonPath

PORTS = [{"containerPort": 80}, {"containerPort": 81}]
POD = {
    "kind": "Pod",
    "metadata": {"name": "a", "labels": {"x": "1", "a.b/c": "d"}},
    "spec": {
        "containers": [
            {"name": "c1", "image": "i1", "ports": PORTS},
            {"name": "c2", "image": "i2"},
            {"name": "c3", "image": "i)3"},
        ],
        "activeDeadlineSeconds": 10,
        "hostNetwork": True,
        "none": None,
    },
}
FIRST = '{"image":"i1","name":"c1","ports":[{"containerPort":80},{"containerPort":81}]}'

# Expected texts are what kubectl 1.32 printed for the same object.
KUBECTL = [
    ("{.metadata.name}", "a"),
    ("{$.metadata.name}", "a"),
    ("{@.metadata.name}", "a"),
    ("{ .kind }", "Pod"),
    (".kind", ".kind"),
    ("x{.kind}y{.metadata.name}", "xPodya"),
    ("{.kind}\\n", "Pod\\n"),
    ("{.spec.containers[*].name}", "c1 c2 c3"),
    ("{.spec.containers[0]}", FIRST),
    ("{.spec.containers[-1].name}", "c3"),
    ("{.spec.containers[0:2].name}", "c1 c2"),
    ("{.spec.containers[:2].name}", "c1 c2"),
    ("{.spec.containers[::2].name}", "c1 c3"),
    ("{.spec.containers[-2:].name}", "c2 c3"),
    ("{.spec.containers[1:1].name}", ""),
    ("{.spec.containers[0,2].name}", "c1 c3"),
    ("{.spec.nope}", ""),
    ("{.kind.x}", ""),
    ("{.spec.containers.name}", ""),
    (r"{.metadata.labels.a\.b/c}", "d"),
    (r"{.metadata.labels['a\.b/c']}", "d"),
    ("{.metadata['name','labels']}", 'a {"a.b/c":"d","x":"1"}'),
    ('{.spec.containers[?(@.name=="c2")].image}', "i2"),
    ('{.spec.containers[?(@.name == "c2")].image}', "i2"),
    ("{.spec.containers[?(@.name=='c2')].image}", "i2"),
    ('{.spec.containers[?("c2"==@.name)].image}', "i2"),
    ('{.spec.containers[?(@.image=="i)3")].name}', "c3"),
    ('{.spec.containers[?(@.name!="c2")].name}', "c1 c3"),
    ('{.spec.containers[?(@.name>"c1")].name}', "c2 c3"),
    ('{.spec.containers[?(@.name=="zz")].image}', ""),
    ("{.spec.containers[?(@.ports)].name}", "c1"),
    ("{.spec.containers[?(@.ports[0].containerPort>=80)].name}", "c1"),
    ('{.spec.containers[?(@.name=="c1")].ports[?(@.containerPort>80)].containerPort}', "81"),
    ("{..name}", "a c1 c2 c3"),
    ("{.spec..name}", "c1 c2 c3"),
    ("{..containerPort}", "80 81"),
    ("{.spec.containers[*].ports[*].containerPort}", "80 81"),
    ("{.metadata.labels.*}", "d 1"),
    ("{.spec.activeDeadlineSeconds}", "10"),
    ("{.spec.hostNetwork}", "true"),
    ("{.spec.none}", "null"),
    ('{"a\\"b"}', 'a"b'),
    ("{'it'}", "it"),
    ("{1}", "1"),
    ("{true}", "true"),
    ('{range .spec.containers[*]}{.name}{"\\t"}{.image}{"\\n"}{end}', "c1\ti1\nc2\ti2\nc3\ti)3\n"),
    ("{range .spec.containers[*]}{@.name} {end}", "c1 c2 c3 "),
    ("{range .spec.containers[*]}{.name}{$.kind}{end}", "c1c2c3"),
    ("{range .spec.containers[*]}[{range .ports[*]}{.containerPort},{end}]{end}", "[80,81,][][]"),
    ("{range .items[*]}{.a}{end}z", "z"),
]


@pytest.mark.parametrize(("expression", "expected"), KUBECTL)
def test_same_text_as_kubectl(expression, expected):
    assert JsonPath(expression).render(POD) == expected


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("{.metadata.labels['a.b/c']}", "d"),
        ('{.metadata.labels["a.b/c"]}', "d"),
        ("{.spec.containers[0:9].name}", "c1 c2 c3"),
        ("{.spec.containers[-9:1].name}", "c1"),
        ("{range .spec.containers}{[1].name}{end}", "c2"),
    ],
)
def test_kinder_than_kubectl(expression, expected):
    assert JsonPath(expression).render(POD) == expected


@pytest.mark.parametrize(
    ("expression", "message", "column"),
    [
        ("{.kind", "unclosed action", 1),
        ("a{.kind}{", "unclosed action", 9),
        ("{.a b}", 'unrecognized identifier "b"', 5),
        ("{end}", "without {range}", 5),
        ("{range .spec.containers[*]}x", "without {end}", 1),
        ("{.spec.containers[x]}", "expected an index", 19),
        ("{.spec.containers[]}", "expected an index", 19),
        ("{.spec.containers[:", "unterminated brackets", 18),
        ("{.spec.containers[0}", "unterminated brackets", 18),
        ("{.spec.containers[::0]}", "step of a slice", 18),
        ('{.spec.containers[?(@.name=~"c")]}', "unrecognized operator", 27),
        ("{.spec.containers[?(@.name==)]}", "compares with nothing", 29),
        ("{.spec.containers[?@.name]}", r"written \?\(…\)", 18),
        ('{"abc}', "unterminated text", 2),
        ("{;}", 'identifier ";"', 2),
        ("{]}", 'unexpected "]"', 2),
    ],
)
def test_wrong_expressions_are_told_with_their_column(expression, message, column):
    with pytest.raises(UsageProblem, match=f"{message}.*at column {column} of"):
        JsonPath(expression)


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("{.spec.containers[5].name}", "index 5 is out of bounds: there are 3 items"),
        ("{.spec.containers[-4].name}", "index -4 is out of bounds"),
        ("{.metadata[0]}", "needs a list, not a mapping"),
        ("{.kind[0]}", "needs a list, not a text"),
        ("{.spec[?(@.x==1)]}", "filter needs a list, not a mapping"),
        ("{.spec.containers[?(@.ports[*].containerPort==80)]}", "one value at a time"),
        ("{.spec.containers[?(@.name==1)].name}", "a text cannot be compared with a number"),
        ("{.spec.containers[?(@.ports<@.ports)].name}", "neither greater nor less"),
    ],
)
def test_what_does_not_suit_the_object_is_told(expression, message):
    with pytest.raises(UsageProblem, match=message):
        JsonPath(expression).render(POD)


@pytest.mark.parametrize(
    "expression", ["metadata.name", ".metadata.name", "{.metadata.name}", "{metadata.name}", "$.metadata.name"]
)
def test_relaxed_paths_need_no_braces(expression):
    assert JsonPath.relaxed(expression).values(POD) == ["a"]
