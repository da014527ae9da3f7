"""Settings of pip and uv, whichever of the two runs."""

from __future__ import annotations

import pytest

from kfrun.execute.environments import fingerprint
from kfrun.execute.environments.installsettings import for_pip, for_uv

PIP_CONF = """
[global]
index-url = https://conf.example/simple
extra-index-url =
    https://one.example/simple
    https://two.example/simple
proxy = http://proxy.example:3128
[install]
trusted-host = one.example
"""
UV_TOML = """
find-links = ["/opt/links"]
[[index]]
url = "https://named.example/simple"
name = "named"
[[index]]
url = "https://toml.example/simple"
default = true
[[index]]
url = "https://explicit.example/simple"
name = "explicit"
explicit = true
"""


@pytest.fixture
def home(tmp_path):
    """A home and a machine without any settings."""
    return {"HOME": str(tmp_path), "XDG_CONFIG_DIRS": str(tmp_path / "none"), "PWD": str(tmp_path)}


def write(home, name, text):
    from pathlib import Path

    path = Path(home["HOME"], ".config", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture(autouse=True)
def no_machine_files(monkeypatch):
    """/etc/pip.conf of the machine that runs the tests must not count."""
    from kfrun.execute.environments import settingsources

    real = settingsources.read_text
    monkeypatch.setattr(settingsources, "read_text", lambda path: "" if str(path).startswith("/etc") else real(path))


@pytest.mark.parametrize(
    ("variables", "expected", "options"),
    [
        ({"PIP_INDEX_URL": "https://a/s"}, {"UV_DEFAULT_INDEX": "https://a/s"}, []),
        (
            {"PIP_EXTRA_INDEX_URL": "https://a/s https://b/s"},
            {"UV_INDEX": "https://a/s https://b/s", "UV_INDEX_STRATEGY": "unsafe-best-match"},
            [],
        ),
        (
            {"PIP_EXTRA_INDEX_URL": "https://a/s", "UV_INDEX_STRATEGY": "first-index"},
            {"UV_INDEX": "https://a/s", "UV_INDEX_STRATEGY": "first-index"},
            [],
        ),
        ({"PIP_FIND_LINKS": "https://a/l /nonexistent /usr"}, {"UV_FIND_LINKS": "https://a/l,/usr"}, []),
        ({"PIP_NO_INDEX": "true"}, {}, ["--no-index"]),
        ({"UV_OFFLINE": "1"}, {}, []),
        ({"PIP_CERT": "/c.pem"}, {"SSL_CERT_FILE": "/c.pem"}, []),
        ({"REQUESTS_CA_BUNDLE": "/c.pem"}, {"SSL_CERT_FILE": "/c.pem"}, []),
        ({"PIP_CERT": "/c.pem", "SSL_CERT_FILE": "/own.pem"}, {}, []),
        ({"PIP_CLIENT_CERT": "/c.pem"}, {"SSL_CLIENT_CERT": "/c.pem"}, []),
        ({"PIP_PROXY": "http://p:1"}, {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1"}, []),
        ({"PIP_PROXY": "http://p:1", "https_proxy": "http://q:1"}, {}, []),
        ({"PIP_TRUSTED_HOST": "a b"}, {"UV_INSECURE_HOST": "a b"}, []),
        ({"PIP_DEFAULT_TIMEOUT": "180"}, {"UV_HTTP_TIMEOUT": "180"}, []),
        ({"PIP_PRE": "1"}, {"UV_PRERELEASE": "allow"}, []),
        ({"PIP_INDEX_URL": "https://a/s", "UV_DEFAULT_INDEX": "https://own/s"}, {}, []),
        ({"PIP_INDEX_URL": "https://a/s", "UV_INDEX_URL": "https://own/s"}, {}, []),
    ],
)
def test_uv_is_told_what_pip_was_told(home, variables, expected, options):
    assert for_uv({**home, **variables}, ()) == (expected, options)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"UV_DEFAULT_INDEX": "https://a/s"}, {"PIP_INDEX_URL": "https://a/s"}),
        ({"UV_INDEX_URL": "https://a/s"}, {"PIP_INDEX_URL": "https://a/s"}),
        ({"UV_INDEX": "corp=https://a/s https://b/s?x=1"}, {"PIP_EXTRA_INDEX_URL": "https://a/s https://b/s?x=1"}),
        ({"UV_EXTRA_INDEX_URL": "https://a/s"}, {"PIP_EXTRA_INDEX_URL": "https://a/s"}),
        ({"UV_FIND_LINKS": "/a,/b"}, {"PIP_FIND_LINKS": "/a /b"}),
        ({"UV_OFFLINE": "1"}, {"PIP_NO_INDEX": "1"}),
        ({"SSL_CERT_FILE": "/c.pem"}, {"PIP_CERT": "/c.pem"}),
        ({"SSL_CERT_FILE": "/c.pem", "PIP_CERT": "/own.pem"}, {}),
        ({"UV_INSECURE_HOST": "a"}, {"PIP_TRUSTED_HOST": "a"}),
        ({"UV_HTTP_TIMEOUT": "9"}, {"PIP_DEFAULT_TIMEOUT": "9"}),
        ({"UV_PRERELEASE": "allow"}, {"PIP_PRE": "1"}),
        ({"UV_DEFAULT_INDEX": "https://a/s", "PIP_INDEX_URL": "https://own/s"}, {}),
    ],
)
def test_pip_is_told_what_uv_was_told(home, variables, expected):
    assert for_pip({**home, **variables}, ()) == expected


def test_the_files_of_pip_count_for_uv(home):
    write(home, "pip/pip.conf", PIP_CONF)
    assert for_uv(home, ())[0] == {
        "UV_DEFAULT_INDEX": "https://conf.example/simple",
        "UV_INDEX": "https://one.example/simple https://two.example/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_INSECURE_HOST": "one.example",
        "HTTP_PROXY": "http://proxy.example:3128",
        "HTTPS_PROXY": "http://proxy.example:3128",
    }


def test_the_files_of_uv_count_for_pip(home):
    write(home, "uv/uv.toml", UV_TOML)
    assert for_pip(home, ()) == {
        "PIP_INDEX_URL": "https://toml.example/simple",
        "PIP_EXTRA_INDEX_URL": "https://named.example/simple",
        "PIP_FIND_LINKS": "/opt/links",
    }


def test_the_own_files_win_over_those_of_the_other(home):
    write(home, "pip/pip.conf", PIP_CONF)
    write(home, "uv/uv.toml", UV_TOML)
    assert "UV_DEFAULT_INDEX" not in for_uv(home, ())[0]
    assert "PIP_INDEX_URL" not in for_pip(home, ())


@pytest.mark.parametrize(("name", "text"), [("pip/pip.conf", "[global\n???"), ("uv/uv.toml", "a = [")])
def test_a_broken_file_is_left_to_its_owner_to_name(home, name, text):
    write(home, name, text)
    assert for_uv(home, ()) == ({}, [])
    assert for_pip(home, ()) == {}


@pytest.mark.parametrize("text", ['index = "x"', "index = [1]", 'pip = "x"', "find-links = 3"])
def test_an_ill_typed_file_of_uv_does_not_break_pip(home, text):
    write(home, "uv/uv.toml", text)
    assert for_pip(home, ()) == {}


def test_the_manifest_s_index_urls_silence_all_others(home):
    write(home, "pip/pip.conf", PIP_CONF)
    variables = {
        **home,
        "UV_INDEX": "https://own/s",
        "UV_INDEX_URL": "https://own/t",
        "PIP_EXTRA_INDEX_URL": "https://x/s",
    }
    told, _ = for_uv(variables, ("https://asked/simple",))
    assert {name: told[name] for name in told if "INDEX" in name} == {
        "UV_DEFAULT_INDEX": "https://asked/simple",
        "UV_INDEX": None,
        "UV_INDEX_URL": None,
        "UV_EXTRA_INDEX_URL": None,
    }
    told = for_pip(variables, ("https://asked/simple",))
    assert (told["PIP_INDEX_URL"], told["PIP_EXTRA_INDEX_URL"]) == ("https://asked/simple", "")


def test_several_index_urls_are_equal_as_they_are_for_pip(home):
    urls = ("https://a/s", "https://b/s")
    told, _ = for_uv(home, urls)
    assert (told["UV_DEFAULT_INDEX"], told["UV_INDEX"]) == urls
    assert told["UV_INDEX_STRATEGY"] == "unsafe-best-match"
    assert for_pip(home, urls) == {"PIP_INDEX_URL": urls[0], "PIP_EXTRA_INDEX_URL": urls[1]}


@pytest.mark.parametrize(
    "variables",
    [
        {"PIP_INDEX_URL": "https://a/s"},
        {"UV_DEFAULT_INDEX": "https://a/s"},
        {"PIP_FIND_LINKS": "/a"},
        {"PIP_NO_INDEX": "1"},
        {"UV_TORCH_BACKEND": "cpu"},
        {"PIP_CONSTRAINT": "constraints.txt"},
    ],
    ids=str,
)
def test_settings_that_choose_packages_count_in_the_fingerprint(home, variables):
    assert fingerprint(home) == ""
    assert fingerprint({**home, **variables}) not in ("", fingerprint({**home, "PIP_PRE": "1"}))


@pytest.mark.parametrize(
    "variables",
    [{"PIP_CERT": "/c"}, {"UV_CACHE_DIR": "/c"}, {"PIP_DEFAULT_TIMEOUT": "9"}, {"UV": "/bin/uv"}, {"HTTPS_PROXY": "x"}],
    ids=str,
)
def test_settings_that_do_not_choose_packages_do_not_count(home, variables):
    assert fingerprint({**home, **variables}) == fingerprint(home)


def test_a_new_token_for_the_same_index_does_not_count(home):
    old, new = ({**home, "PIP_INDEX_URL": f"https://ann:{token}@a/s"} for token in ("old", "new"))
    assert fingerprint(old) == fingerprint(new)


def test_the_contents_of_files_count(home):
    seen = {fingerprint(home)}
    for name, text in (("pip/pip.conf", PIP_CONF), ("uv/uv.toml", UV_TOML), ("uv/uv.toml", UV_TOML + "\n")):
        write(home, name, text)
        seen.add(fingerprint(home))
    write(home, "constraints.txt", "numpy<2")
    constrained = {**home, "PIP_CONSTRAINT": ".config/constraints.txt"}
    seen.add(fingerprint(constrained))
    write(home, "constraints.txt", "numpy<3")
    seen.add(fingerprint(constrained))
    assert len(seen) == 6


def test_pip_s_files_can_be_switched_off(home):
    write(home, "pip/pip.conf", PIP_CONF)
    assert for_uv({**home, "PIP_CONFIG_FILE": "/dev/null"}, ()) == ({}, [])
