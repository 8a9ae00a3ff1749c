"""The seal of the reference's first tables, written anew: XChaCha20-Poly1305 under the SHA-256 of a secret, bound to nothing."""

import base64
import hashlib
import json
import struct

MASK = 0xFFFFFFFF
CONSTANTS = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574)


def quarter(s: list[int], a: int, b: int, c: int, d: int) -> None:
    for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        s[x] = (s[x] + s[y]) & MASK
        s[z] ^= s[x]
        s[z] = ((s[z] << bits) | (s[z] >> (32 - bits))) & MASK


def rounds(state: list[int]) -> list[int]:
    s = list(state)
    for _ in range(10):
        for column in range(4):
            quarter(s, column, column + 4, column + 8, column + 12)
        for row in range(4):
            quarter(s, row, 4 + (row + 1) % 4, 8 + (row + 2) % 4, 12 + (row + 3) % 4)
    return s


def block(key: bytes, counter: int, nonce: bytes) -> bytes:
    state = [*CONSTANTS, *struct.unpack("<8I", key), counter, *struct.unpack("<3I", nonce)]
    return struct.pack("<16I", *((a + b) & MASK for a, b in zip(rounds(state), state, strict=True)))


def poly1305(key: bytes, data: bytes) -> bytes:
    r = int.from_bytes(key[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at:at + 16] + b"\x01", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(key[16:], "little")) % 2**128).to_bytes(16, "little")


def encrypt(secret: str, nonce: bytes, plain: bytes) -> bytes:
    key = hashlib.sha256(secret.encode()).digest()
    mixed = rounds([*CONSTANTS, *struct.unpack("<8I", key), *struct.unpack("<4I", nonce[:16])])
    subkey, short = struct.pack("<8I", *mixed[:4], *mixed[12:]), bytes(4) + nonce[16:]
    stream = b"".join(block(subkey, 1 + at, short) for at in range(len(plain) // 64 + 1))
    sealed = bytes(a ^ b for a, b in zip(plain, stream))
    padded = sealed + bytes(-len(sealed) % 16)
    return sealed + poly1305(block(subkey, 0, short)[:32], padded + struct.pack("<QQ", 0, len(sealed)))


def parts(secret: str, rng, plain: str) -> tuple[str, str]:
    nonce = rng.randbytes(24)
    encoded = (base64.urlsafe_b64encode(data).decode().rstrip("=") for data in (nonce, encrypt(secret, nonce, plain.encode())))
    return tuple(encoded)


def as_text(secret: str, rng, plain: str) -> str:
    return "enc:v1:" + ":".join(parts(secret, rng, plain))


def as_json(secret: str, rng, plain: str) -> str:
    nonce, sealed = parts(secret, rng, plain)
    return json.dumps({"$gproxy_enc": "v1", "nonce": nonce, "ciphertext": sealed})
