//! Dates of signatures, in seconds since 1970.

use time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time};

/// Reads `20150830T123600Z`.
pub(super) fn parse(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let is_date = bytes.len() == 16
        && bytes.iter().enumerate().all(|(index, byte)| match index {
            8 => *byte == b'T',
            15 => *byte == b'Z',
            _ => byte.is_ascii_digit(),
        });
    if !is_date {
        return None;
    }
    let month = Month::try_from(text[4..6].parse::<u8>().ok()?).ok()?;
    seconds(&text[..4], month, &text[6..8], [&text[9..11], &text[11..13], &text[13..15]])
}

/// Reads `Sun, 30 Aug 2015 12:36:00 GMT`, as HTTP writes dates.
pub(super) fn parse_http(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_day_of_week, rest) = text.split_once(", ")?;
    let parts = rest.split(' ').collect::<Vec<_>>();
    let &[day, month, year, time, "GMT"] = parts.as_slice() else { return None };
    let month = MONTHS.iter().position(|name| *name == month)?;
    let month = Month::try_from(u8::try_from(month + 1).ok()?).ok()?;
    let &[hour, minute, second] = time.split(':').collect::<Vec<_>>().as_slice() else { return None };
    let is_digits = |text: &str, count| text.len() == count && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = is_digits(year, 4) && [day, hour, minute, second].iter().all(|text| is_digits(text, 2));
    if is_number { seconds(year, month, day, [hour, minute, second]) } else { None }
}

fn seconds(year: &str, month: Month, day: &str, [hour, minute, second]: [&str; 3]) -> Option<i64> {
    let date = Date::from_calendar_date(year.parse().ok()?, month, day.parse().ok()?).ok()?;
    let time = Time::from_hms(hour.parse().ok()?, minute.parse().ok()?, second.parse().ok()?).ok()?;
    Some(PrimitiveDateTime::new(date, time).assume_utc().unix_timestamp())
}

/// Writes `20150830T123600Z`.
pub(super) fn format(seconds: i64) -> String {
    let date = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", date.hour(), date.minute(), date.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_date_are_read_and_nothing_like_them() {
        let seconds = parse("20150830T123600Z").unwrap();
        assert_eq!(parse_http("Sun, 30 Aug 2015 12:36:00 GMT"), Some(seconds));
        assert_eq!(format(seconds), "20150830T123600Z");
        for text in ["", "2015-08-30T12:36:00Z", "20151330T123600Z", "20150830T126000Z", "20150830T123600"] {
            assert_eq!(parse(text), None, "{text}");
        }
        for text in [
            "",
            "Sun, 30 Aug 2015 12:36:00",
            "Sun, 30 Aug 2015 12:36:00 CET",
            "Sun, 30 aug 2015 12:36:00 GMT",
            "Sun, 3 Aug 2015 12:36:00 GMT",
            "Sun, 30 Aug +015 12:36:00 GMT",
            "Sun, 30 Aug 2015 12:60:00 GMT",
            "Sun, 31 Feb 2015 12:36:00 GMT",
            "Sun, 30  Aug 2015 12:36:00 GMT",
        ] {
            assert_eq!(parse_http(text), None, "{text}");
        }
    }
}
