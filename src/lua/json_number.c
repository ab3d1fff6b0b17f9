/* json_number.c -- the shortest decimal that reads back as the same double, as ECMA-262 Number::toString writes it.
 *
 * Most numbers that are not whole lie between 1e-6 and 2^52.  There a double
 * times a power of ten fits 128 bits, so the nearest decimal of 15, 16 and 17 digits, and
 * whether it still reads back as this double, are exact integer arithmetic: no
 * printf, no strtod.  All others are tried with these two.
 *
 * A whole number below 2^64 is written with all its digits, where ECMA-262
 * would put zeros from the 18th on: an integer should not change on paper.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/json.h"

typedef unsigned __int128 u128;

struct decimal {
	uint64_t digits;	/* no zero at its end */
	int count;		/* of digits */
	int point;		/* the value is 0.digits x 10^point */
};

static const uint64_t tens[] = {
	1ULL, 10ULL, 100ULL, 1000ULL, 10000ULL, 100000ULL, 1000000ULL, 10000000ULL, 100000000ULL, 1000000000ULL, 10000000000ULL,
	100000000000ULL, 1000000000000ULL, 10000000000000ULL, 100000000000000ULL, 1000000000000000ULL, 10000000000000000ULL,
	100000000000000000ULL, 1000000000000000000ULL, 10000000000000000000ULL
};

static u128
ten_to(int n)		/* up to 38 */
{
	return n < 20 ? tens[n] : (u128)tens[19] * tens[n - 19];
}

static size_t
write_digits(char *out, uint64_t n)
{
	char back[20];
	size_t len = 0;

	do
		back[len++] = (char)('0' + n % 10);
	while ((n /= 10) > 0);
	for (size_t i = 0; i < len; i++)
		out[i] = back[len - 1 - i];
	return len;
}

static void
trim(struct decimal *d, uint64_t digits, int count)
{
	while (digits % 10 == 0) {
		digits /= 10;
		count--;
	}
	d->digits = digits;
	d->count = count;
}

/* ---- between 1e-6 and 2^52: value = mantissa / 2^shift ---- */

static int
point_of(double v)	/* 0.1 <= v / 10^point < 1, or one too high right at a power of ten */
{
	static const double below_one[] = { 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6 };
	int n = 0;

	if (v < 1) {
		while (v < below_one[n])
			n++;
		return -n;
	}
	while (v >= (double)tens[n])
		n++;
	return n;
}

/* Does m / 10^j read back as mantissa / 2^shift?  scaled = mantissa * 10^j.  Below a power of two the neighbour is half as far. */
static bool
reads_back(u128 m, u128 scaled, int shift, uint64_t mantissa, int j)
{
	u128 there = m << shift;
	u128 distance = there > scaled ? there - scaled : scaled - there;
	u128 limit = ten_to(j);

	distance *= there < scaled && mantissa == 1ULL << 52 ? 4 : 2;
	return distance < limit || (distance == limit && mantissa % 2 == 0);
}

static void
shortest_near_one(struct decimal *d, double v)
{
	int exponent, shift;
	uint64_t mantissa = (uint64_t)ldexp(frexp(v, &exponent), 53);

	shift = 53 - exponent;		/* 1 to 72 */
	d->point = point_of(v);
	for (int count = 15; count <= 17; count++) {
		int j = count - d->point;
		u128 scaled, m, rest, half = (u128)1 << (shift - 1);

		if (j < 0)
			continue;	/* so few digits would be a whole number */
		scaled = mantissa * ten_to(j);
		m = scaled >> shift;
		rest = scaled - (m << shift);
		if (rest > half || (rest == half && m % 2))
			m++;
		if (!reads_back(m, scaled, shift, mantissa, j)) {
			if (count == 17 || mantissa != 1ULL << 52 || !reads_back(++m, scaled, shift, mantissa, j))
				continue;
		}
		if (m >= tens[count])
			d->point++, count++;
		trim(d, (uint64_t)m, count);
		return;
	}
}

/* ---- all others ---- */

static bool
try_digits(struct decimal *d, double v, int count)
{
	char text[48];
	uint64_t digits = 0;
	int exponent;

	snprintf(text, sizeof(text), "%.*e", count - 1, v);
	for (const char *p = text; *p != 'e'; p++)
		if (*p != '.')
			digits = digits * 10 + (uint64_t)(*p - '0');
	exponent = atoi(strchr(text, 'e') + 1);
	for (int more = 0; more < 2; more++) {		/* right above a power of two the next one up may do */
		snprintf(text, sizeof(text), "%llue%d", (unsigned long long)digits + (unsigned)more, exponent - count + 1);
		if (strtod(text, NULL) == v) {
			d->point = exponent + 1;
			trim(d, digits + (unsigned)more, count);
			return true;
		}
	}
	return false;
}

static void
shortest(struct decimal *d, double v)
{
	int count = v < 2.3e-308 ? 1 : 15;	/* few digits are left in a denormal */

	while (!try_digits(d, v, count))
		count++;
}

/* ---- as text ---- */

static size_t
write_plain(char *out, const char *digits, int count, int point)
{
	char *p = out;

	if (point <= 0) {
		memcpy(p, "0.00000", (size_t)(2 - point));
		p += 2 - point;
		memcpy(p, digits, (size_t)count);
		return (size_t)(p + count - out);
	}
	for (int i = 0; i < count || i < point; i++) {
		if (i == point)
			*p++ = '.';
		*p++ = i < count ? digits[i] : '0';
	}
	return (size_t)(p - out);
}

static size_t
write_exponent(char *out, const char *digits, int count, int exponent)
{
	char *p = out;

	*p++ = digits[0];
	if (count > 1) {
		*p++ = '.';
		memcpy(p, digits + 1, (size_t)count - 1);
		p += count - 1;
	}
	*p++ = 'e';
	*p++ = exponent < 0 ? '-' : '+';
	p += write_digits(p, (uint64_t)abs(exponent));
	return (size_t)(p - out);
}

size_t
json_number(char out[JSON_NUMBER_MAX], double v)
{
	struct decimal d = { 0, 0, 0 };
	char digits[20], *p = out;

	if (v < 0) {
		*p++ = '-';
		v = -v;
	}
	if (v < 18446744073709551616.0 && v == floor(v))
		return (size_t)(p - out) + write_digits(p, (uint64_t)v);
	if (v >= 1e-6 && v < 4503599627370496.0)
		shortest_near_one(&d, v);
	else
		shortest(&d, v);
	write_digits(digits, d.digits);
	if (d.point > -6 && d.point <= 21)
		return (size_t)(p - out) + write_plain(p, digits, d.count, d.point);
	return (size_t)(p - out) + write_exponent(p, digits, d.count, d.point - 1);
}
