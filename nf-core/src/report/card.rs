//! One incident with its evidence.

use super::{strip::strip, told::told, when};
use crate::{
    detector::{Carrier, Explanation, Fact},
    incident::{Incident, Listed, Sighting},
    page::{escape, table},
    session::Session,
};
use std::fmt::{Display, Write};

/// A fact with more letters than this takes a row of its own.
const LONG: usize = 30;

/// Everything of an incident. `explanation` is that of its strangest session, with those that carry its alert.
pub(super) fn card(incident: &Incident, explanation: &Explanation) -> String {
    let mut html = String::from("<dl>\n");
    let mut fact = |name: &str, text: String| {
        if !text.is_empty() {
            let class = if text.len() > LONG { " class=\"wide\"" } else { "" };
            let _ = writeln!(html, "<div{class}><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(&text));
        }
    };
    let opened = when::length(incident.opened.since(incident.first));
    fact("first seen", format!("{} UTC", incident.first.date_and_time()));
    fact("lasted", when::length(incident.last.since(incident.first)));
    fact("known after", opened);
    fact("sessions", incident.sessions.to_string());
    fact("sources", listed(&incident.sources));
    fact("destinations", listed(&incident.destinations));
    fact("services", listed(&incident.services));
    fact("domains", listed(&incident.domains));
    let heads: Vec<String> = incident.heads.iter().map(|(head, count)| format!("{head} {count}")).collect();
    fact("found by", heads.join(", "));
    html.push_str("</dl>\n");
    let _ = write!(
        html,
        "<h3>The strangest session</h3>\n<p class=\"note\">{}</p>\n",
        escape(&incident.session.to_string())
    );
    let sessions = [evidence(&incident.evidence), carriers(&explanation.carriers)];
    let sessions: String = sessions.iter().map(|table| format!("<div>{table}</div>\n")).collect();
    html + &reasons(&incident.session, explanation) + "<div class=\"two\">\n" + &sessions + "</div>\n"
}

/// The packets of a session, and the facts of its verdict.
pub(super) fn reasons(session: &Session, explanation: &Explanation) -> String {
    // Another session that carries the alert may be the one whose packets were looked into.
    let parts = if explanation.shown == 0 { &explanation.packets[..] } else { &[] };
    let told = told(session, explanation);
    let legend = format!("<p class=\"note\">{}</p>\n", escape(&legend(parts, &told)));
    strip(session, parts, &told) + &legend + &facts(explanation)
}

/// What the strip of packets shows.
fn legend(parts: &[f64], told: &[Vec<&str>]) -> String {
    let mut text = "Its packets, tall where they are long".to_owned();
    text += match parts.iter().any(|part| *part > 0.0) {
        true => ", red where the score comes from.",
        false => ". The heads read the session as a whole: no packet has a part of its own in the score.",
    };
    let mut columns: Vec<&str> = told.iter().flatten().copied().collect();
    columns.sort_unstable();
    columns.dedup();
    if !columns.is_empty() {
        text += &format!(" Outlined: those that state a strange value by themselves ({}).", columns.join(", "));
    }
    text
}

/// What is listed, and how many more there are.
fn listed<T: Display>(listed: &Listed<T>) -> String {
    let first: Vec<String> = listed.first.iter().map(T::to_string).collect();
    let beyond = listed.count - listed.first.len();
    match (beyond, listed.more) {
        (0, _) => first.join(", "),
        (beyond, more) => format!("{} and {beyond}{} more", first.join(", "), if more { " or" } else { "" }),
    }
}

fn evidence(sightings: &[Sighting]) -> String {
    let rows = sightings.iter().map(|sighting| {
        vec![
            sighting.start.time_of_day(),
            sighting.key.to_string(),
            sighting.packets.to_string(),
            format!("{:.2}", sighting.score),
            format!("{:.1e}", sighting.p_value),
            sighting.head.as_deref().unwrap_or_default().to_owned(),
        ]
    });
    table(
        "The strangest sessions of the incident",
        &["start", "session", "packets", "score", "p-value", "head"],
        &[0, 1, 5],
        rows,
    )
}

fn facts(explanation: &Explanation) -> String {
    if explanation.facts.is_empty() {
        return String::new();
    }
    let rows = explanation.facts.iter().map(|fact: &Fact| {
        let place = fact.packet.map_or(String::new(), |packet| format!("packet {}: ", packet + 1));
        vec![format!("{place}{}", fact.sentence), format!("{:.0} %", fact.contribution * 100.0), fact.name.clone()]
    });
    let table = table("Why it is strange", &["", "part of the score", "fact"], &[0, 2], rows);
    let check = explanation.check().map(|check| format!("<p class=\"note\">Checked: {}.</p>\n", escape(&check)));
    table + &check.unwrap_or_default()
}

/// The sessions that carry the alert, where these are several.
fn carriers(carriers: &[Carrier]) -> String {
    if carriers.len() < 2 {
        return String::new();
    }
    let rows = carriers
        .iter()
        .map(|carrier| vec![carrier.start().time_of_day(), carrier.key().to_string(), format!("{:.2}", carrier.score)]);
    table(
        "The sessions that carry the alert of the strangest together",
        &["start", "session", "own score"],
        &[0, 1],
        rows,
    )
}
