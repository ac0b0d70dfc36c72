//! Points in time, read as the server reads them: RFC 3339 as Go's `time.Parse` takes it, or a date alone, in UTC.

/// Seconds and nanoseconds since 1970; `None` if `text` is neither.
pub(super) fn parse(text: &str) -> Option<(i64, u32)> {
    let (date, rest) = text.split_at_checked(10)?;
    let days = days(date)?;
    if rest.is_empty() {
        return Some((days * 86_400, 0));
    }
    let (seconds, nanos, zone) = time(rest.strip_prefix('T')?)?;
    Some((days * 86_400 + seconds - offset(zone)?, nanos))
}

/// A number of just these digits.
fn digits(text: &str) -> Option<i64> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

/// Days since 1970 of `2006-01-02`.
fn days(date: &str) -> Option<i64> {
    let mut parts = date.splitn(3, '-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if (year.len(), month.len(), day.len()) != (4, 2, 2) {
        return None;
    }
    let (year, month, day) = (digits(year)?, digits(month)?, digits(day)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let longest = match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    if !(1..=longest).contains(&day) {
        return None;
    }
    // Counted from 1 March of year 0 on, so that the day a leap year adds comes last.
    let (years, months) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = years * 365 + years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    Some(days + (153 * months + 2) / 5 + day - 1 - 719_468)
}

/// Seconds and nanoseconds of `15:04:05.999`, and the zone that follows. Go takes an hour of one digit, and a comma.
fn time(text: &str) -> Option<(i64, u32, &str)> {
    let mut parts = text.splitn(3, ':');
    let (hour, minute, rest) = (parts.next()?, parts.next()?, parts.next()?);
    if !(1..=2).contains(&hour.len()) || minute.len() != 2 {
        return None;
    }
    let (second, rest) = rest.split_at_checked(2)?;
    let (hour, minute, second) = (digits(hour)?, digits(minute)?, digits(second)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = hour * 3600 + minute * 60 + second;
    let Some(fraction) = rest.strip_prefix(['.', ',']) else { return Some((seconds, 0, rest)) };
    let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
    let (fraction, zone) = fraction.split_at(end);
    let nanos = digits(&format!("{:0<9}", &fraction[..fraction.len().min(9)]))?;
    (!fraction.is_empty()).then_some((seconds, u32::try_from(nanos).ok()?, zone))
}

/// Seconds that `Z` or `+07:00` is ahead of UTC. Go takes 24 hours and 60 minutes, as some people write them.
fn offset(zone: &str) -> Option<i64> {
    if zone == "Z" {
        return Some(0);
    }
    let ahead = zone.strip_prefix('+');
    let (hours, minutes) = ahead.or_else(|| zone.strip_prefix('-'))?.split_once(':')?;
    if hours.len() != 2 || minutes.len() != 2 {
        return None;
    }
    let (hours, minutes) = (digits(hours)?, digits(minutes)?);
    let seconds = (hours <= 24 && minutes <= 60).then_some(hours * 3600 + minutes * 60)?;
    Some(if ahead.is_some() { seconds } else { -seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_reads() {
        for (text, seconds, nanos) in [
            ("1970-01-01T00:00:00Z", 0, 0),
            ("1970-01-02", 86_400, 0),
            ("2000-02-29T12:34:56Z", 951_827_696, 0),
            ("2024-12-31T23:59:59.5+01:00", 1_735_685_999, 500_000_000),
            ("2024-12-31T23:59:59,123456789123-00:30", 1_735_691_399, 123_456_789),
            ("1969-12-31T23:59:59Z", -1, 0),
            ("0001-01-01T00:00:00Z", -62_135_596_800, 0),
            ("2024-01-01T5:00:00Z", 1_704_085_200, 0),
            ("2024-01-01T00:00:00+24:60", 1_703_977_200, 0),
        ] {
            assert_eq!(parse(text), Some((seconds, nanos)), "{text}");
        }
    }

    #[test]
    fn what_go_refuses() {
        for text in [
            "",
            "2024",
            "2024-1-1",
            "2024-02-30",
            "2023-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-01T00:00:00",
            "2024-01-01t00:00:00Z",
            "2024-01-01T00:00:00z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:60:00Z",
            "2024-01-01T00:00:60Z",
            "2024-01-01T00:00:00.Z",
            "2024-01-01T00:00:00+25:00",
            "2024-01-01T00:00:00+0100",
            "2024-01-01 00:00:00Z",
            " 2024-01-01",
            "2024-01-01 ",
            "+024-01-01",
            "2024-01-01T00:00Z",
            "é024-01-01",
            "2024-01-01T00:00:00+01:00x",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
