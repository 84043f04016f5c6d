"""Values that have done harm elsewhere, for any place that takes text; each that runs leaves a canary or a trap."""

from fuzzed import CANARY

TOUCH = f"touch {CANARY}"

SHELL = {
    "substitution": f"$({TOUCH})",
    "backticks": f"`{TOUCH}`",
    "semicolon": f"x; {TOUCH}; #",
    "pipe": f"x | {TOUCH}",
    "background": f"x & {TOUCH} && {TOUCH} || {TOUCH}",
    "line": f"x\n{TOUCH}\n",
    "carriage return": f"x\r\n{TOUCH}\r\n",
    "redirection": f"x > {CANARY}",
    "redirection in a substitution": f"$(>{CANARY})",
    "input": "x < /etc/passwd",
    "single quotes": f"'; {TOUCH}; '",
    "double quotes": f'"; {TOUCH}; "',
    "braces": f"{{touch,{CANARY}}}",
    "variable": "$HOME${IFS}$PATH",
    "glob": "*",
    "tilde": f"~/{CANARY}",
    "backslash": "x\\",
}
OPTIONS = {
    "output": f"--output={CANARY}",
    "short output": f"-o{CANARY}",
    "help": "--help",
    "end of options": "--",
    "standard input": "-",
    "force": "-rf",
}
PATHS = {
    "up": f"../{CANARY}",
    "far up": f"../../../../../../../../tmp/{CANARY}",
    "absolute": f"/tmp/{CANARY}",
    "through a folder": f"/etc/../{CANARY}",
    "encoded": f"..%2f..%2f{CANARY}",
    "parent": "..",
    "here": ".",
    "root": "/",
    "device": "/dev/stdin",
    "link": "/proc/self/root/etc/passwd",
    "backslashes": f"..\\..\\{CANARY}",
}
LINES = {
    "a line of a file": "x\n0 0 * * * root touch /tmp/canary\n",
    "YAML": "x\nkey: [value, &a *a]",
    "a section": "x\n[Service]\nExecStart=/bin/true",
    "a header": "x\r\nX-Injected: yes\r\n\r\nbody",
    "JSON": '","hostname":"other","x":"',
    "markup": "<script>alert(1)</script>&amp;' OR 1=1; DROP TABLE journal; --",
    "template": "{{ 7*7 }}{% raw %}${7*7}#{7*7}",
    "format": "%s%n%x{0}{0.__class__}",
    "lookup": "${jndi:ldap://127.0.0.1/x}",
}
TEXT = {
    "nothing": "",
    "blank": " ",
    "NUL": "a\0b",
    "only NUL": "\0",
    "bell and escape": "\x07\x1b[2J\x1b]0;x\x07",
    "right to left": "\u202egnp.exe",
    "byte order mark": "\ufeffx",
    "zero width": "a\u200bb\u200d",
    "line separators": "a\u2028b\u2029c\x85d",
    "wide": "\uff21\uff22\uff0f\uff0e\uff0e",
    "combined": "e\u0301\u0327\u0308",
    "digits of others": "\u0661\u0662\u00b2",
    "dotless": "\u0130\u0131\u017f",
    "emoji": "\U0001f469\u200d\U0001f4bb",
    "the last one": "\U0010ffff\ufffe",
    "long": "x" * 5_000,
    "long and wide": "\u20ac" * 4_000,
}
LITERALS = {
    "true": "true",
    "null": "null",
    "zero": "0",
    "minus": "-1",
    "big": "9" * 400,
    "endless": "-Infinity",
    "hexadecimal": "0x10",
    "list": "[1, 2]",
    "object": '{"a": 1}',
    "asterisks": "_all",
}
FACTS = {
    "fact": "@fact.hostname",
    "fact and more": f"@fact.hostname; {TOUCH}",
    "no fact": "@fact.nothing",
    "fact without a name": "@fact.",
    "fact of a class": "@fact.custom.__class__",
    "fact of a fact": "@fact.@fact.hostname",
}

VALUES: dict[str, str] = SHELL | OPTIONS | PATHS | LINES | TEXT | LITERALS | FACTS

VERY_LONG = "x" * 300_000
"""Beyond what any field takes, and below what a body may have."""
TOO_LONG = "x" * 11_000_000
"""Beyond what a body may have."""
