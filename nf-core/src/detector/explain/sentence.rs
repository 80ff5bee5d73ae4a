//! Sentences from a fixed grammar: what was observed, and what benign traffic reaches or what was expected.
//!
//! ```text
//! sentence = value "; " ("benign " subject " here reach " quantity | "benign " subject " here have at least " quantity
//!                       | "expected with the rest as it is: " quantity)
//! value    = the column's phrase with the quantity in its braces, or one of its choices
//! ```

use super::Cell;
use crate::{features::Column, session::Outcome};

/// What a cell says, in words.
pub(super) fn sentence(column: &Column, cell: &Cell, outcome: Outcome) -> String {
    let observed = value(column, cell.observed, outcome);
    let expected = || {
        let expected = match differ(column, cell) {
            true => short(column, cell.expected),
            false => (if cell.expected > cell.observed { "a little more" } else { "a little less" }).to_owned(),
        };
        format!("{observed}; expected with the rest as it is: {expected}")
    };
    let Some([least, most]) = cell.reach.filter(|_| !is_choice(column)) else { return expected() };
    let (seen, subject) = (quantity(&column.unit, cell.observed, ""), &column.subject);
    // What rounds to the same says nothing.
    let differs = |bound: f64| seen != quantity(&column.unit, bound, "");
    if cell.observed > most && differs(most) {
        format!("{observed}; benign {subject} here reach {}", quantity_of(column, most))
    } else if cell.observed < least && differs(least) {
        format!("{observed}; benign {subject} here have at least {}", quantity_of(column, least))
    } else {
        expected()
    }
}

/// Whether observed and expected values look different in words.
pub(super) fn differ(column: &Column, cell: &Cell) -> bool {
    short(column, cell.observed) != short(column, cell.expected)
}

/// A number of what was counted needs no noun behind a sentence that named it.
fn quantity_of(column: &Column, quantity_: f64) -> String {
    let text = quantity(&column.unit, quantity_, "");
    match is_noun(&column.unit) {
        true => text.split(' ').next().unwrap_or_default().to_owned(),
        false => text,
    }
}

/// A value without its phrase: the quantity, or the choice.
fn short(column: &Column, quantity_: f64) -> String {
    match is_choice(column) {
        true => choice(column, quantity_).to_owned(),
        false => quantity(&column.unit, quantity_, ""),
    }
}

/// A value in the column's phrase.
pub(super) fn value(column: &Column, quantity_: f64, outcome: Outcome) -> String {
    if is_choice(column) {
        return choice(column, quantity_).to_owned();
    }
    let phrase = column.phrase.replace("[outcome]", &outcome.to_string());
    let parts = phrase.split_once('{').and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
    match parts {
        Some((before, (adjective, after))) => {
            format!("{before}{}{after}", quantity(&column.unit, quantity_, adjective))
        }
        None => format!("{} of {}", column.name.replace('_', " "), quantity(&column.unit, quantity_, "")),
    }
}

fn is_choice(column: &Column) -> bool {
    column.phrase.contains('|') && !column.phrase.contains('{')
}

/// The choice of a value from 0 to 1.
fn choice(column: &Column, value: f64) -> &str {
    let last = column.phrase.matches('|').count();
    let place = (value.clamp(0.0, 1.0) * last as f64).round() as usize;
    column.phrase.split('|').nth(place.min(last)).unwrap_or_default()
}

/// Units that are what is counted.
fn is_noun(unit: &str) -> bool {
    unit.len() > 1 && unit.ends_with('s') && !["bytes", "bits"].contains(&unit)
}

/// `54 destination ports`, `1 session`, `1.5 kB`, `2 min`, `45 %`.
pub(super) fn quantity(unit: &str, quantity: f64, adjective: &str) -> String {
    let size = quantity.abs();
    match unit {
        "bytes" if size < 0.5 => "0 B".to_owned(),
        "bytes" => scaled(quantity, &[(1.0, "B"), (1e3, "kB"), (1e6, "MB"), (1e9, "GB"), (1e12, "TB")]),
        "s" if size < 1e-6 => "0 s".to_owned(),
        "s" => {
            scaled(quantity, &[(1e-6, "us"), (1e-3, "ms"), (1.0, "s"), (60.0, "min"), (3600.0, "h"), (86400.0, "d")])
        }
        "share" => format!("{} %", number(100.0 * quantity)),
        "" => number(quantity),
        _ => {
            // A count that a model made up is no more exact than that.
            let count = number((quantity * 10.0).round() / 10.0);
            let noun = if count == "1" { singular(unit) } else { unit.to_owned() };
            let space = if adjective.is_empty() { "" } else { " " };
            format!("{count} {adjective}{space}{noun}")
        }
    }
}

/// A quantity in the largest of some units, ascending, that leaves at least 1 of it.
fn scaled(quantity: f64, units: &[(f64, &str)]) -> String {
    // 999.7 B is 1 kB: what is shown decides, not what is there.
    let fits = |(size, _): &&(f64, &str)| (quantity.abs() / size) >= 0.995;
    let (size, unit) = units.iter().rev().find(fits).unwrap_or(&units[0]);
    format!("{} {unit}", number(quantity / size))
}

/// Two significant digits below 10, whole numbers from there on.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    let decimals = match size {
        0.0 => 0,
        size if size >= 9.95 => 0,
        size if size >= 0.995 => 1,
        size => (1 - size.log10().floor() as i32).clamp(0, 9) as usize,
    };
    let text = format!("{value:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn singular(plural: &str) -> String {
    if let Some((noun, each)) = plural.split_once(" per ") {
        return format!("{} per {each}", singular(noun));
    }
    match plural {
        _ if plural.ends_with("ies") => format!("{}y", &plural[..plural.len() - 3]),
        _ if plural.ends_with("sses") => plural[..plural.len() - 2].to_owned(),
        _ if plural.len() > 1 && plural.ends_with('s') => plural[..plural.len() - 1].to_owned(),
        _ => plural.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_have_their_unit_and_number() {
        let cases = [
            ("sessions", 1.0, "1 session"),
            ("sessions", 1.02, "1 session"),
            ("sessions per client", 1.0, "1 session per client"),
            ("hosts per client", 0.3, "0.3 hosts per client"),
            ("sessions", 54.0, "54 sessions"),
            ("sessions", 0.0, "0 sessions"),
            ("sessions", 3.37, "3.4 sessions"),
            ("sessions", 0.004, "0 sessions"),
            ("bytes", 0.2, "0 B"),
            ("queries", 1.0, "1 query"),
            ("addresses", 1.0, "1 address"),
            ("bytes", 1.0, "1 B"),
            ("bytes", 1500.0, "1.5 kB"),
            ("bytes", 999.7, "1 kB"),
            ("bytes", 34.0, "34 B"),
            ("bytes", 2.0e9, "2 GB"),
            ("s", 0.0, "0 s"),
            ("s", 120.0, "2 min"),
            ("s", 59.9, "1 min"),
            ("s", 0.25, "250 ms"),
            ("s", 1.24e-5, "12 us"),
            ("s", 5400.0, "1.5 h"),
            ("share", 0.456, "46 %"),
            ("", 0.0526, "0.053"),
            ("", -0.0001, "-0.0001"),
            ("bits", 7.94, "7.9 bits"),
            ("flops", 1.0, "1 flop"),
        ];
        for (unit, value, text) in cases {
            assert_eq!(quantity(unit, value, ""), text, "{value} {unit}");
        }
    }

    #[test]
    fn sentences_say_what_was_seen_and_what_benign_traffic_reaches() {
        let ports = Column::new("ports", "ports", "").phrase("{destination} in 10 s").subject("hosts");
        let cell = |observed, expected, reach| Cell::new(&ports, observed, expected, reach);
        let say = |cell| sentence(&ports, &cell, Outcome::Failed);
        assert_eq!(say(cell(54.0, 2.0, Some([1.0, 6.0]))), "54 destination ports in 10 s; benign hosts here reach 6");
        assert_eq!(
            say(cell(1.0, 2.0, Some([2.0, 6.0]))),
            "1 destination port in 10 s; benign hosts here have at least 2"
        );
        let rest = "54 destination ports in 10 s; expected with the rest as it is: 2 ports";
        assert_eq!(say(cell(54.0, 2.0, Some([1.0, 60.0]))), rest);
        assert_eq!(say(cell(54.0, 2.0, Some([1.0, 53.9]))), rest, "no more than what benign hosts reach, as shown");
        assert_eq!(say(cell(54.0, 2.0, None)), rest);
        let little = "54 destination ports in 10 s; expected with the rest as it is: a little less";
        assert_eq!(say(cell(54.0, 53.9, None)), little);
    }

    #[test]
    fn phrases_have_choices_outcomes_and_a_fallback() {
        let column = |unit: &'static str, phrase: &'static str| Column::new("odd_number", unit, "").phrase(phrase);
        let say = |unit, phrase, number| value(&column(unit, phrase), number, Outcome::Failed);
        assert_eq!(say("", "no|some|all", 0.5), "some");
        assert_eq!(say("", "no|some|all", 7.0), "all");
        assert_eq!(say("sessions", "{[outcome]} of it", 1.0), "1 failed session of it");
        assert_eq!(say("", "{[outcome]} of it", 3.0), "3 of it");
        assert_eq!(say("s", "", 3.0), "odd number of 3 s");
        assert_eq!(say("s", "a { without end", 3.0), "odd number of 3 s");
        let column = column("", "nobody answered|somebody answered");
        let cell = Cell::new(&column, 0.0, 0.9, Some([0.0, 1.0]));
        let text = "nobody answered; expected with the rest as it is: somebody answered";
        assert_eq!(sentence(&column, &cell, Outcome::Failed), text);
    }
}
