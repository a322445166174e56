"""Units, percent and words of size behind a number, and numbers in words.

A unit is a factor and what it is of, so that 50 mm are 5 cm, a newton a kg m/s², and apples no oranges. Temperatures
have an offset, so °C and °F are units that nothing else is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from effopd.mathematics.names import FUNCTIONS, words

SIZES = {
    "hundred": 10**2, "thousand": 10**3, "lakh": 10**5, "million": 10**6, "crore": 10**7, "billion": 10**9,
    "trillion": 10**12, "quadrillion": 10**15, "dozen": 12, "gross": 144, "score": 20,
}  # fmt: skip
NUMBERS = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "seventy": 70, "eighty": 80, "ninety": 90}

_PREFIXES = {
    "p": -12, "n": -9, "μ": -6, "u": -6, "m": -3, "c": -2, "d": -1, "k": 3, "M": 6, "G": 9, "T": 12,
    "pico": -12, "nano": -9, "micro": -6, "milli": -3, "centi": -2, "deci": -1, "kilo": 3, "mega": 6, "giga": 9,
    "tera": 12,
}  # fmt: skip
# Symbol, factor, what it is of, and names. With a star before it a unit has prefixes.
_TABLE = """
*m     1                  m               meter metre
*g     0.001              kg              gram gramme
*s     1                  s               second sec
*A     1                  A               ampere amp
*K     1                  K               kelvin
*mol   1                  mol             mole
*N     1                  kg m s-2        newton
*J     1                  kg m2 s-2       joule
*W     1                  kg m2 s-3       watt
*Pa    1                  kg m-1 s-2      pascal
*V     1                  kg m2 s-3 A-1   volt
*Ω     1                  kg m2 s-3 A-2   ohm
*F     1                  kg-1 m-2 s4 A2  farad
*C     1                  A s             coulomb
*T     1                  kg s-2 A-1      tesla
*Hz    1                  s-1             hertz
*L     0.001              m3              liter litre
*l     0.001              m3
*eV    1.602176634e-19    kg m2 s-2       electronvolt
*cal   4.184              kg m2 s-2       calorie
*bar   1e5                kg m-1 s-2
*B     8                  bit             byte
min    60                 s               minute
h      3600               s               hour hr
d      86400              s               day
wk     604800             s               week
mo     1                  month           month
yr     12                 month           year
t      1000               kg              tonne
in     0.0254             m               inch
ft     0.3048             m               foot
yd     0.9144             m               yard
mi     1609.344           m               mile
mph    0.44704            m s-1
mps    1                  m s-1
kph    5/18               m s-1           kmph
lb     0.45359237         kg              pound lbs
oz     0.028349523125     kg              ounce
gal    1                  gallon          gallon
ac     1                  acre            acre
ha     1e4                m2              hectare
°      1                  °               degree deg
rad    1                  rad             radian
°C     1                  °C              celsius
°F     1                  °F              fahrenheit
\\$     1                  $               dollar USD buck
¢      0.01               $               cent
€      1                  €               euro EUR
£      1                  £               GBP
¥      1                  ¥               yen JPY
₹      1                  ₹               rupee INR
%      0.01               -               percent pct
"""
_IRREGULAR = {
    "feet": "foot", "inches": "inch", "hertz": "hertz", "people": "person", "men": "man", "women": "woman",
    "children": "child",
}  # fmt: skip
_COUNTED = words("way person man woman child item piece")
_SUMMED = frozenset({"total", "altogether", "overall", "in", "old"})  # 22 students in total
_NO_UNIT = frozenset({"unit"})
_NO_NOUN = words(  # with one of these a phrase is more than what is counted
    "and or if not no when where with without except plus minus times to out per of than more less fewer least most "
    "half halves third thirds quarter quarters squared cubed factorial mod modulo below above under over between each "
    "is are was has does divides equals converges diverges exists both either neither all none"
)
_PART = re.compile(
    r"(?:thir|four|fif|six|seven|eigh|nin|ten|eleven|twelf|\w+teen|\w+tie|hundred|thousand|\w*[mb]illion|trillion)ths"
)


@dataclass(frozen=True)
class Unit:
    """What stands behind a number: `factor` times the product of `of`, each with its power. percent: a hundredth."""

    factor: Fraction
    of: tuple[tuple[str, int], ...]
    percent: bool = False

    def power(self, exponent: int) -> Unit:
        return Unit(self.factor**exponent, tuple((name, power * exponent) for name, power in self.of))

    def times(self, other: Unit) -> Unit:
        powers = dict(self.of)
        for name, power in other.of:
            powers[name] = powers.get(name, 0) + power
        of = tuple(sorted((name, power) for name, power in powers.items() if power))
        return Unit(self.factor * other.factor, of, self.percent or other.percent)


NOTHING = Unit(Fraction(1), ())


def unit_of(word: str) -> Unit | None:
    """The unit of that symbol or name, singular or plural; None where there is none."""
    if (found := _UNITS.get(word)) is not None:
        return found
    return _UNITS.get(_singular(word.lower())) if len(word) > 2 else None


def counted(phrase: list[str]) -> Unit | None:
    """What is counted, as a unit that nothing else is: “different ways”, “apples”; None where words say more."""
    lower = [word.lower() for word in phrase]
    while lower and lower[-1] in _SUMMED:
        lower.pop()
    if not lower:
        return NOTHING
    if len(lower) > 3 or any(
        word in _NO_NOUN or word in SIZES or word in NUMBERS or _PART.fullmatch(word) for word in lower
    ):
        return None
    noun = _singular(lower[-1])
    if noun in _NO_UNIT:
        return NOTHING
    if len(lower[-1]) < 3 or not (noun != lower[-1] or noun in _COUNTED):  # neither several, nor one of what is known
        return None
    return Unit(Fraction(1), ((noun, 1),))


def _singular(word: str) -> str:
    if word in _IRREGULAR:
        return _IRREGULAR[word]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") and len(word) > 2 else word


def _units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for line in _TABLE.strip().splitlines():
        first, factor, of, *long_names = re.split(r"\s{2,}", line.strip())
        symbol = first.removeprefix("*")
        powers = [re.fullmatch(r"(\D+?)(-?\d*)", part) for part in of.split() if part != "-"]
        unit = Unit(Fraction(factor), tuple(sorted((p[1], int(p[2] or 1)) for p in powers if p)), percent=symbol == "%")
        for name in [symbol, *" ".join(long_names).split()]:
            units[name] = unit
            for prefix, exponent in _PREFIXES.items() if first != symbol else ():
                if (len(prefix) > 1) == (name != symbol):
                    units.setdefault(prefix + name, Unit(unit.factor * Fraction(10) ** exponent, unit.of))
    return units


_UNITS = _units()
BARE_UNITS = words(  # that are units in plain text too, where letters may be a product
    "cm mm km nm kg mg ft yd lb lbs oz mph kph mL ml dL Hz kHz MHz GHz eV keV MeV GeV kJ kW MW kPa hr hrs in cc"
)
KNOWN_WORDS = (
    words(
        "and or one two six ten per way day men yes odd USD EUR GBP sec min deg rad pct sq cu cent cm2 foot feet yard"
    )
    | {name for name in _UNITS if len(name) > 3} - FUNCTIONS.keys()
)
