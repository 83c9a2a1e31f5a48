"""The softmax-entropy unit one class at a time: plain integers, tables from long decimals, operations counted."""

from collections import Counter
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from math import log


def _nearest(value):
    return int(value.to_integral_value(rounding="ROUND_HALF_EVEN"))


@cache
def exp_table(n_entries, n_bits):
    with localcontext() as context:
        context.prec = 40
        entries = [_nearest((Decimal(2) ** (Decimal(i) / n_entries) - 1) * 2**n_bits) for i in range(n_entries)]
    return [min(entry, 2**n_bits - 1) for entry in entries]


@cache
def log_table(n_entries, n_bits):
    with localcontext() as context:
        context.prec = 40
        bits = Decimal(2).ln()
        return [_nearest((1 + Decimal(i) / n_entries).ln() / bits * 2**n_bits) for i in range(n_entries + 1)]


def shift(value, places):
    """Left, or right where negative; what falls out on the right is lost."""
    return value << places if places >= 0 else value >> -places


def shift_rounding(value, places):
    return shift(value, places) if places >= 0 else (value + (1 << (-places - 1))) >> -places


def log2(unit, total, n_frac, count):
    top = total.bit_length() - 1
    fraction = shift(total - (1 << top), unit.n_log_bits - top)
    rest_bits = unit.n_log_bits - (unit.n_log_entries.bit_length() - 1)
    index, rest = fraction >> rest_bits, fraction & ((1 << rest_bits) - 1)
    table = log_table(unit.n_log_entries, unit.n_log_bits)
    count.update(log_lookup=1, shift=1)
    rise = 0
    if rest_bits:
        rise = ((table[index + 1] - table[index]) * rest) >> rest_bits
        count.update(multiplication=1)
    count.update(addition=1)
    return ((top - n_frac) << unit.n_log_bits) + table[index] + rise


def decide(unit, scores, max_entropy, n_steps=1, is_mean=False):
    """Entropy code, full scale, decision and count of operations for K scores."""
    count = Counter()
    limit = 2 ** (unit.n_score_bits - 1)
    codes = [max(-limit, min(limit - 1, round(z * (2.0**unit.n_score_frac / log(2))))) for z in scores]
    best = codes[0]
    for code in codes[1:]:
        best = max(best, code)
        count.update(comparison=1)
    n_frac = unit.n_sum_bits - len(codes).bit_length()
    address_bits = unit.n_exp_entries.bit_length() - 1
    e = (n_steps - 1).bit_length()  # 2^-e <= 1 / n_steps < 2^(1 - e)
    reciprocal = round(Fraction(2 ** (e + unit.n_reciprocal_bits - 1), n_steps))
    reciprocal = min(reciprocal, 2**unit.n_reciprocal_bits - 1)
    count.update(reciprocal_lookup=int(is_mean))
    total = product = 0
    for code in codes:
        y = best - code
        count.update(addition=1)
        if n_steps == 2**e:
            y = shift_rounding(y, address_bits - unit.n_score_frac - e)
        else:
            y = shift_rounding(y * reciprocal, address_bits - unit.n_score_frac + 1 - e - unit.n_reciprocal_bits)
        count.update(multiplication=int(is_mean), shift=int(is_mean))
        count.update(comparison=1)
        is_on = y < 32 * unit.n_exp_entries
        places, fraction = divmod(-y, unit.n_exp_entries)
        weight = exp_table(unit.n_exp_entries, unit.n_exp_bits)[fraction] + 2**unit.n_exp_bits
        count.update(exp_lookup=1, shift=2, multiplication=1, addition=2)
        total += is_on * shift(weight, n_frac - unit.n_exp_bits + places)
        product += is_on * shift(weight * y, n_frac - unit.n_exp_bits - address_bits + places)
    bits = log2(unit, total, n_frac, count)
    full = log2(unit, len(codes) << n_frac, n_frac, Counter())
    drop = unit.n_log_bits - unit.n_threshold_bits
    bound = min(round(max(max_entropy, 0.0) * full / 2**drop), full >> drop) << drop
    below = product << unit.n_log_bits < total * (bound - bits)
    count.update(addition=1, multiplication=1, comparison=1)
    entropy = min(int((Fraction(product << unit.n_log_bits, total) + bits) // 1), full)
    return entropy, full, below or max_entropy > 1, count
