from __future__ import annotations

import re

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from kfrun.resolve import keys
from kfrun.resolve.material import ENTROPY, Material


def _material(first: int = 1, uid: str = "u") -> Material:
    return Material(uid, bytes([first, *range(ENTROPY - 1)]))


def test_ssh_keys_are_a_pair_in_the_forms_of_openssh():
    pair = keys.ssh_keys(_material())
    assert pair.private.startswith(b"-----BEGIN EC PRIVATE KEY-----\n")
    private = serialization.load_pem_private_key(pair.private, None)
    public = serialization.load_ssh_public_key(pair.public)
    assert isinstance(private.curve, ec.SECP521R1)
    assert private.public_key().public_numbers() == public.public_numbers()
    assert pair.public.startswith(b"ecdsa-sha2-nistp521 ")
    assert pair.public.endswith(b"\n")


def test_equal_material_gives_equal_keys_and_other_material_others():
    assert keys.ssh_keys(_material()) == keys.ssh_keys(_material())
    assert keys.ssh_keys(_material(1)) != keys.ssh_keys(_material(2))
    assert keys.curve_certificate("tj", _material(uid="a")) != keys.curve_certificate("tj", _material(uid="b"))


@pytest.mark.parametrize("entropy", [bytes(ENTROPY), b"\xff" * ENTROPY])
def test_no_entropy_leads_out_of_the_curve(entropy):
    assert keys.ssh_keys(Material("u", entropy)).private


def test_too_little_entropy_is_refused():
    with pytest.raises(ValueError, match="96 bytes"):
        keys.ssh_keys(Material("u", b"short"))


def test_certificate_is_the_controllers():
    """The answer of the real controller for this uid."""
    certificate = keys.curve_certificate("tj", _material(uid="11111111-2222-3333-4444-555555555555")).decode()
    found = dict(re.findall(r'^ +(\S+) = "(.*)"$', certificate, re.MULTILINE))
    assert found == {
        "name": "tj",
        "public-key": ")RF3ktK]n14JJFEeL&Q]V2?T?f7Fzu:xw%DC@ehJ",
        "secret-key": "w]Ey!S-}N<@&e2A!1<VdmY-hIY%a3a6e.h!*-zqI",
    }


def test_z85_of_the_specifications_example():
    assert keys.z85(bytes.fromhex("864fd26fb559f75b")) == "HelloWorld"


@given(st.binary(max_size=40).filter(lambda data: len(data) % 4 == 0))
def test_z85_has_five_characters_for_four_bytes(data):
    assert len(keys.z85(data)) == len(data) // 4 * 5
