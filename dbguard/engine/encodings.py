"""client_encoding: which ones dbguard can read safely, and how.

Only encodings in which every byte below 0x80 is that ASCII character qualify: in SJIS, BIG5, GBK,
UHC, GB18030 and JOHAB a quote or backslash can be the second byte of a character, so that
dbguard and the server could disagree on where a literal ends. Names: PostgreSQL's documentation,
"Character Set Support".
"""

from __future__ import annotations

from dbguard.errors import NotUnderstood

_CODECS: dict[str, str] = {
    "UTF8": "utf-8",
    "UNICODE": "utf-8",  # the one alias that the server reports as it was given
    "SQL_ASCII": "utf-8",  # LANG=C psql asks for it; the server passes bytes through unread
    **{f"LATIN{i}": f"iso8859-{n}" for i, n in zip(range(1, 7), (1, 2, 3, 4, 9, 10), strict=True)},
    "LATIN7": "iso8859-13",
    "LATIN8": "iso8859-14",
    "LATIN9": "iso8859-15",
    "LATIN10": "iso8859-16",
    "ISO_8859_5": "iso8859-5",
    "ISO_8859_6": "iso8859-6",
    "ISO_8859_7": "iso8859-7",
    "ISO_8859_8": "iso8859-8",
    "WIN866": "cp866",
    "WIN874": "cp874",
    **{f"WIN{n}": f"cp{n}" for n in range(1250, 1259)},
    "KOI8R": "koi8-r",
    "KOI8U": "koi8-u",
    "EUC_JP": "euc_jp",
    "EUC_CN": "gb2312",
    "EUC_KR": "euc_kr",
}


def codec_of(client_encoding: str) -> str:
    """The Python codec for a client_encoding as ParameterStatus reports it.

    Raises:
        NotUnderstood: the encoding is not ASCII-safe.
    """
    codec = _CODECS.get(client_encoding.upper())
    if codec is None:
        raise NotUnderstood(
            "this client_encoding cannot be analysed safely",
            detail="Bytes of a character may look like a quote in it.",
            hint="Use client_encoding UTF8.",
        )
    return codec


def decode(raw: bytes, codec: str) -> str:
    """Client bytes to text.

    Raises:
        NotUnderstood: the bytes are not valid in the session's client_encoding.
    """
    try:
        return raw.decode(codec)
    except UnicodeDecodeError as error:
        raise NotUnderstood(
            "the statement holds bytes that are not valid in client_encoding",
            detail=f"The first one is at byte {error.start + 1}.",
            hint="Send text in the encoding the session announced.",
        ) from None


def encode(text: str, codec: str) -> bytes:
    """Text to bytes for the server.

    Raises:
        NotUnderstood: the encoding has no such character.
    """
    try:
        return text.encode(codec)
    except UnicodeEncodeError:
        raise NotUnderstood(
            "the statement as it would be run cannot be written in client_encoding",
            detail="A mask or a qualified name holds a character that the encoding lacks.",
            hint="Use client_encoding UTF8.",
        ) from None
