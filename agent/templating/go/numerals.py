"""Numbers as package fmt writes them."""

import math

import attrs

from agent.templating.go.quoting import quote

LARGEST = 0x10FFFF
"""The last code point."""
REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


@attrs.define
class Flags:
    """What stands between `%` and the verb; `go_syntax` is `%#v`, `named` is `%+v`."""

    sharp: bool = False
    zero: bool = False
    plus: bool = False
    minus: bool = False
    space: bool = False
    go_syntax: bool = False
    named: bool = False
    width: int | None = None
    precision: int | None = None

    @property
    def fills_with_zeros(self) -> bool:
        return self.zero and not self.minus

    def pad(self, text: str) -> str:
        """A text as wide as it shall be."""
        width = self.width or 0
        return text.ljust(width) if self.minus else text.rjust(width, "0" if self.zero else " ")

    def pad_with_spaces(self, text: str) -> str:
        width = self.width or 0
        return text.ljust(width) if self.minus else text.rjust(width)


BASES = {"d": 10, "v": 10, "b": 2, "o": 8, "O": 8, "x": 16, "X": 16}
DIGITS = {10: "d", 2: "b", 8: "o", 16: "x"}


def integer(value: int, verb: str, flags: Flags) -> str | None:
    """An integer; None where the verb is none for integers."""
    if verb in BASES:
        return _in_base(value, BASES[verb], verb, flags)
    character = chr(value) if 0 <= value <= LARGEST and not 0xD800 <= value < 0xE000 else REPLACEMENT
    match verb:
        case "c":
            return flags.pad(character)
        case "q":
            return flags.pad(quote(character, "'", ascii_only=flags.plus))
        case "U":
            shown = (
                f" '{character}'"
                if flags.sharp and ord(character) == value and character.isprintable()
                else ""
            )
            digits = f"{value % 2**64:X}".rjust(max(4, flags.precision or 0), "0")
            return flags.pad_with_spaces(f"U+{digits}{shown}")
    return None


def _in_base(value: int, base: int, verb: str, flags: Flags) -> str:
    if flags.precision == 0 and value == 0:
        return " " * (flags.width or 0)
    sign = "-" if value < 0 else "+" if flags.plus else " " if flags.space else ""
    least = flags.precision or 0
    if flags.precision is None and flags.fills_with_zeros:
        least = (flags.width or 0) - len(sign)
    digits = format(abs(value), DIGITS[base]).rjust(least, "0")
    prefix = (
        {2: "0b", 8: "" if digits.startswith("0") else "0", 16: "0x"}.get(base, "") if flags.sharp else ""
    )
    text = ("0o" if verb == "O" else "") + prefix + digits
    return flags.pad_with_spaces(sign + (text.upper() if verb == "X" else text))


def floating(value: float, verb: str, flags: Flags) -> str | None:
    """A float64; None where the verb is none for floats."""
    verb = {"v": "g", "F": "f"}.get(verb, verb)
    if verb not in set("bgGxXfeE"):
        return None
    default = 6 if verb in "feE" else None
    precision = default if flags.precision is None else flags.precision
    digits = _digits(abs(value), verb, precision)
    if flags.sharp and verb != "b":
        digits = _with_point(digits, verb, precision)
    sign = "-" if math.copysign(1, value) < 0 else "+" if flags.plus else " " if flags.space else ""
    if sign and flags.fills_with_zeros:
        return sign + digits.rjust((flags.width or 0) - 1, "0")
    return flags.pad(sign + digits)


def _digits(value: float, verb: str, precision: int | None) -> str:
    """A number that is not negative (strconv.FormatFloat); without a precision, with as few digits as can be."""
    if verb in "xX":
        text = _hexadecimal(value, precision)
        return text.upper() if verb == "X" else text
    if verb == "b":
        exponent = max(math.frexp(value)[1] - 53, -1074) if value else -1074
        return f"{int(math.ldexp(value, -exponent))}p{exponent:+d}"
    if precision is None:
        text = _shortest(value)
        return text.upper() if verb == "G" else text
    return f"%.{precision}{verb}" % value


def _shortest(value: float) -> str:
    """As few digits as tell the number from all others, with an exponent below 0.0001 and from 1e+06 on."""
    significant = len(repr(value).partition("e")[0].replace(".", "").strip("0")) or 1
    text = f"%.{significant - 1}e" % value
    exponent = int(text.partition("e")[2])
    if -4 <= exponent < 6:
        return f"%.{max(0, significant - 1 - exponent)}f" % value
    return text


def _hexadecimal(value: float, precision: int | None) -> str:
    mantissa, exponent = math.frexp(value)
    bits = int(math.ldexp(mantissa, 61))  # one before the point, and fifteen digits of four
    exponent = exponent - 1 if value else 0
    if precision is not None and precision < 15:
        unit = 1 << (60 - 4 * precision)
        kept, rest = divmod(bits, unit)
        bits = (kept + (2 * rest + kept % 2 > unit)) * unit  # half to even
        if bits >> 61:
            bits, exponent = bits >> 1, exponent + 1
    fraction = f"{bits % (1 << 60):015x}"
    fraction = fraction.rstrip("0") if precision is None else fraction[:precision].ljust(precision, "0")
    return f"0x{bits >> 60}{'.' if fraction else ''}{fraction}p{exponent:+03d}"


def _with_point(digits: str, verb: str, precision: int | None) -> str:
    """With a decimal point, and with the zeros at the end that `%g` leaves out."""
    ends = "pP" if verb in "xX" else "eEpP"
    end = next((place for place, sign in enumerate(digits) if sign in ends), len(digits))
    mantissa, tail = digits[:end], digits[end:]
    wanted = (6 if precision is None else precision) if verb in "gGx" else 0
    wanted -= len(mantissa.replace(".", "").lstrip("0"))
    if "." not in mantissa:
        wanted -= mantissa == "0"
        mantissa += "."
    return mantissa + "0" * max(0, wanted) + tail
