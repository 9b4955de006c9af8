//! Times as RFC 3339 writes them, in UTC.

/// Days of 400 years, and of the parts of them (the calendar repeats after that).
const DAYS_400: i64 = 146_097;

/// A time to the second: milliseconds since 1970.
pub(crate) fn from_ms(ms: u64) -> String {
    from_parts(i64::try_from(ms / 1000).unwrap_or(i64::MAX), 0)
}

/// A time to the nanosecond, zeros at the end left out: seconds since 1970, below zero before.
pub(crate) fn from_parts(seconds: i64, nanoseconds: u32) -> String {
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(day);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    let mut text = format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}");
    if nanoseconds > 0 {
        let fraction = format!(".{nanoseconds:09}");
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('Z');
    text
}

/// The date of a day counted from 1970-01-01 (Hinnant, "chrono-compatible low-level date algorithms").
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day.saturating_add(719_468);
    let era = day.div_euclid(DAYS_400);
    let day_of_era = day.rem_euclid(DAYS_400);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(from_ms(1_795_469_571_000), "2026-11-23T21:32:51Z");
        assert_eq!(from_parts(0, 0), "1970-01-01T00:00:00Z");
        assert_eq!(from_parts(-1, 500_000_000), "1969-12-31T23:59:59.5Z");
        assert_eq!(from_parts(951_782_400, 1), "2000-02-29T00:00:00.000000001Z");
        assert_eq!(from_parts(1_795_469_571, 753_341_510), "2026-11-23T21:32:51.75334151Z");
        assert_eq!(from_parts(-62_135_596_800, 0), "0001-01-01T00:00:00Z");
    }
}
