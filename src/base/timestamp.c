// SPDX-License-Identifier: Apache-2.0
#include "base/timestamp.h"

#include "base/clock.h"

#include <errno.h>
#include <stdbool.h>

#define DATE_TIME_LENGTH 19 // of `2026-11-21T03:04:05`

// Days since 1970-01-01 of a date in the proleptic Gregorian calendar; March is the first month, so
// that the leap day comes last.
static int64_t days_from_date(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t shifted_month = month <= 2 ? month + 9 : month - 3;
    int64_t day_of_year = (153 * shifted_month + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

// Writes `count` digits with leading zeros.
static char *put_digits(char *at, int value, int count)
{
    for (int i = count - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + count;
}

// By hand, since one event holds dozens of times and strftime takes ten times as long.
char *pt_timestamp_format(int64_t wall_ns, char text[static PT_TIMESTAMP_SIZE])
{
    int64_t seconds = wall_ns / PT_NS_PER_S;
    int second_of_day = (int)(seconds % 86400);
    // The date of a day, with years that begin in March as above; an era is 400 years.
    int64_t days = seconds / 86400 + 719468;
    int day_of_era = (int)(days % 146097);
    int year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int shifted_month = (5 * day_of_year + 2) / 153;
    int month = shifted_month < 10 ? shifted_month + 3 : shifted_month - 9;
    int year = (int)(days / 146097) * 400 + year_of_era + (month <= 2);

    char *at = put_digits(text, year, 4);
    *at++ = '-';
    at = put_digits(at, month, 2);
    *at++ = '-';
    at = put_digits(at, day_of_year - (153 * shifted_month + 2) / 5 + 1, 2);
    *at++ = 'T';
    at = put_digits(at, second_of_day / 3600, 2);
    *at++ = ':';
    at = put_digits(at, second_of_day / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, second_of_day % 60, 2);
    *at++ = '.';
    at = put_digits(at, (int)(wall_ns % PT_NS_PER_S / PT_NS_PER_MS), 3);
    *at++ = 'Z';
    *at = '\0';
    return text;
}

struct cursor {
    const char *at;
    const char *end;
};

// The number that so many characters make; sets *wrong when one of them is no digit.
static inline int read_digits(const char *text, int count, bool *wrong)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        unsigned digit = (unsigned char)text[i] - (unsigned)'0';
        *wrong |= digit > 9;
        value = value * 10 + (int)digit;
    }
    return value;
}

static bool take_two_digits(struct cursor *cursor, int *ret_value)
{
    bool wrong = false;
    if (cursor->end - cursor->at < 2)
        return false;
    *ret_value = read_digits(cursor->at, 2, &wrong);
    cursor->at += 2;
    return !wrong;
}

static bool take_char(struct cursor *cursor, char wanted)
{
    if (cursor->at == cursor->end || *cursor->at != wanted)
        return false;
    cursor->at++;
    return true;
}

// T and Z may be small (section 5.6 of the RFC).
static bool is_letter(char letter, char wanted)
{
    return letter == wanted || letter == (char)(wanted | 0x20);
}

static bool take_fraction(struct cursor *cursor, int64_t *ret_ns)
{
    static const int units[] = {1000000000, 100000000, 10000000, 1000000, 100000,
                                10000,      1000,      100,      10,      1};
    int64_t value = 0;
    size_t count = 0; // of digits that are kept
    const char *begin = cursor->at;
    for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++) {
        if (count + 1 == sizeof(units) / sizeof(units[0]))
            continue;
        value = value * 10 + (*cursor->at - '0');
        count++;
    }
    *ret_ns = value * units[count];
    return cursor->at > begin;
}

static bool take_offset(struct cursor *cursor, int64_t *ret_seconds)
{
    if (cursor->at == cursor->end)
        return false;
    char first = *cursor->at++;
    if (is_letter(first, 'Z')) {
        *ret_seconds = 0;
        return true;
    }
    int hours, minutes;
    if ((first != '+' && first != '-') || !take_two_digits(cursor, &hours) ||
        !take_char(cursor, ':') || !take_two_digits(cursor, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_seconds = (first == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    return true;
}

static int days_of_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

// Reads `2026-11-21T03:04:05`, of which every character has its place, into seconds.
static bool read_date_time(const char *text, int64_t *ret_seconds)
{
    bool wrong = text[4] != '-' || text[7] != '-' || !is_letter(text[10], 'T') || text[13] != ':' ||
                 text[16] != ':';
    int year = read_digits(text, 4, &wrong);
    int month = read_digits(text + 5, 2, &wrong);
    int day = read_digits(text + 8, 2, &wrong);
    int hour = read_digits(text + 11, 2, &wrong);
    int minute = read_digits(text + 14, 2, &wrong);
    int second = read_digits(text + 17, 2, &wrong);
    if (wrong || year < 1970 || year > 2261 || month < 1 || month > 12 || day < 1 ||
        day > days_of_month(year, month) || hour > 23 || minute > 59 || second > 60)
        return false;
    *ret_seconds = days_from_date(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    return true;
}

int pt_timestamp_parse(const char *text, size_t length, int64_t *ret_wall_ns)
{
    int64_t seconds;
    if (length < DATE_TIME_LENGTH || !read_date_time(text, &seconds))
        return -EINVAL;
    struct cursor cursor = {text + DATE_TIME_LENGTH, text + length};
    int64_t fraction_ns = 0;
    if (take_char(&cursor, '.') && !take_fraction(&cursor, &fraction_ns))
        return -EINVAL;
    int64_t offset_seconds;
    if (!take_offset(&cursor, &offset_seconds) || cursor.at != cursor.end)
        return -EINVAL;
    seconds -= offset_seconds;
    if (seconds < 0)
        return -EINVAL;
    *ret_wall_ns = seconds * PT_NS_PER_S + fraction_ns;
    return 0;
}
