//! What becomes of alerts once they are grouped: lines a reader gets on benign traffic, and attacks that are among them.

use super::{
    costs::Costs,
    labels::Label,
    promised::{SMALLEST, budget, is_smallest},
    truth::{Episode, Truth},
};
use crate::{
    Detector, Result, Timestamp, Verdict,
    incident::{Centre, Change, Incident, IncidentConfig, news},
    session::Session,
};
use serde_json::{Value, json};
use std::{fmt, time::Duration};

/// The incidents of labelled recordings at a budget.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IncidentReport {
    /// The budget: the share of benign sessions that may alert.
    pub rate: f64,
    /// Whether that is the smallest that the held-out sessions can promise.
    pub smallest: bool,
    /// The seed of the detector, where it has one.
    pub seed: Option<u64>,
    /// Packet time of the recordings.
    pub seconds: f64,
    /// Alerts of benign sessions.
    pub benign_alerts: usize,
    /// Incidents with benign sessions and none of an attack, one line each.
    pub benign: Vec<String>,
    /// Incidents with sessions of an attack.
    pub attacks: usize,
    /// How many of these have benign sessions too.
    pub mixed: usize,
    /// Incidents with nothing but traffic of attackers outside every attack.
    pub others: usize,
    /// How often a reader was told of any incident: as it opened, grew or closed.
    pub news: usize,
    /// What became of each attack.
    pub episodes: Vec<EpisodeIncidents>,
    /// What it took beside judging, where that was measured.
    pub costs: Option<Costs>,
}

/// What became of an attack.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct EpisodeIncidents {
    /// Which row of the label file, by its `id`.
    pub id: String,
    /// The kind of attack.
    pub category: String,
    /// How many of its sessions alerted.
    pub alerts: usize,
    /// The numbers of the incidents that have sessions of it, which they may share with other attacks.
    pub incidents: Vec<u64>,
    /// Whether one of its alerts opened one of these, rather than another attack's.
    pub opened: bool,
    /// From its first packet until the first of these was open and had one of its sessions; `None` where there is none.
    pub delay: Option<Duration>,
    /// From its first packet until a reader was first told of an incident that had one of its sessions: as it opened, grew or
    /// closed.
    pub told: Option<Duration>,
}

impl IncidentReport {
    /// The report of a detector's incidents at its budget, without any recording yet.
    pub fn new(detector: &Detector) -> Self {
        Self::at(detector.false_positive_rate(), is_smallest(detector), detector.provenance().seed)
    }

    /// The report at a rate, without any recording yet.
    fn at(rate: f64, smallest: bool, seed: Option<u64>) -> Self {
        Self {
            rate,
            smallest,
            seed,
            seconds: 0.0,
            benign_alerts: 0,
            benign: Vec::new(),
            attacks: 0,
            mixed: 0,
            others: 0,
            news: 0,
            episodes: Vec::new(),
            costs: None,
        }
    }

    /// Adds a recording: its sessions, what [`judge_all`](Detector::judge_all) said of them, the rules by which these come to
    /// [incidents](crate::incident::incidents), and what is known of it.
    ///
    /// # Errors
    /// As [`incidents`](crate::incident::incidents).
    pub fn add(
        &mut self,
        sessions: &[Session],
        verdicts: &[Verdict],
        rules: &IncidentConfig,
        truth: &Truth,
    ) -> Result<()> {
        let news = news(sessions, verdicts, rules)?;
        let mut found: Vec<&Incident> =
            news.iter().filter(|(change, _)| *change == Change::Closed).map(|(_, incident)| incident).collect();
        found.sort_by_key(|incident| incident.id);
        self.news += news.len();
        let first = sessions.iter().map(Session::start).min();
        let last = sessions.iter().map(Session::end).max();
        self.seconds += first.zip(last).map_or(0.0, |(first, last)| last.since(first).as_secs_f64());
        let judged = sessions.iter().zip(verdicts);
        let alerts: Vec<(&Session, &Verdict)> = judged.filter(|(_, verdict)| verdict.is_anomaly()).collect();
        let of: Vec<Option<usize>> = alerts.iter().map(|(session, verdict)| place(&found, session, verdict)).collect();
        let labels: Vec<Label<'_>> = alerts.iter().map(|(session, _)| truth.label_session(session)).collect();
        self.benign_alerts += labels.iter().filter(|label| matches!(label, Label::Benign)).count();
        for (i, incident) in found.iter().enumerate() {
            let of_it = || of.iter().zip(&labels).filter(|(of, _)| **of == Some(i)).map(|(_, label)| label);
            let benign = of_it().any(|label| matches!(label, Label::Benign));
            if of_it().any(|label| matches!(label, Label::Attack { .. })) {
                self.attacks += 1;
                self.mixed += usize::from(benign);
            } else if benign {
                self.benign.push(incident.to_string());
            } else if of_it().next().is_some() {
                self.others += 1;
            }
        }
        let told_at = |(change, incident): &(Change, Incident)| match change {
            Change::Closed => incident.updated + rules.silence,
            _ => incident.updated,
        };
        let outcome = |episode: &Episode| {
            let own = labels.iter().enumerate();
            let own = own.filter(|(_, label)| matches!(label, Label::Attack { id, .. } if *id == episode.id));
            let own: Vec<usize> = own.map(|(alert, _)| alert).collect();
            let mut hit: Vec<u64> = own.iter().filter_map(|&alert| Some(found[of[alert]?].id)).collect();
            let seen = |&alert: &usize| {
                let (session, verdict) = alerts[alert];
                found[of[alert]?].had(session, verdict)
            };
            let opening = |&alert: &usize| {
                let (session, verdict) = alerts[alert];
                of[alert].is_some_and(|of| found[of].opened_by(session, verdict))
            };
            hit.sort_unstable();
            hit.dedup();
            let of_it = news.iter().filter(|(_, incident)| hit.contains(&incident.id));
            let told = of_it.filter(|(_, incident)| {
                own.iter().any(|&alert| {
                    let (session, verdict) = alerts[alert];
                    of[alert].is_some_and(|of| found[of].id == incident.id) && incident.covers(session, verdict)
                })
            });
            let since = |at: Timestamp| at.since(episode.first());
            EpisodeIncidents {
                id: episode.id.clone(),
                category: episode.category.clone(),
                alerts: own.len(),
                opened: own.iter().any(opening),
                delay: own.iter().filter_map(seen).min().map(since),
                told: told.map(told_at).min().map(since),
                incidents: hit,
            }
        };
        self.episodes.extend(truth.episodes().iter().map(outcome));
        Ok(())
    }

    /// Incidents without a session of an attack, an hour of packet time; `None` without packet time.
    pub fn benign_per_hour(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.benign.len() as f64 * 3600.0 / self.seconds)
    }

    /// How many attacks have an incident, and how many there are.
    pub fn episodes_hit(&self) -> (usize, usize) {
        (self.episodes.iter().filter(|episode| !episode.incidents.is_empty()).count(), self.episodes.len())
    }

    /// How many attacks have an incident that one of their own alerts opened.
    pub fn episodes_opened(&self) -> usize {
        self.episodes.iter().filter(|episode| episode.opened).count()
    }

    /// The middle one of the delays until an incident was open and had a session of the attack; `None` where no attack has one.
    pub fn median_delay(&self) -> Option<Duration> {
        median(self.episodes.iter().filter_map(|episode| episode.delay))
    }

    /// The middle one of the delays until a reader was told of an incident with a session of the attack; `None` where no attack
    /// has one.
    pub fn median_told(&self) -> Option<Duration> {
        median(self.episodes.iter().filter_map(|episode| episode.told))
    }

    /// Incidents an attack that has one, the mean; `None` where no attack has one.
    pub fn incidents_per_episode(&self) -> Option<f64> {
        let hit: Vec<usize> =
            self.episodes.iter().map(|episode| episode.incidents.len()).filter(|&count| count > 0).collect();
        (!hit.is_empty()).then(|| hit.iter().sum::<usize>() as f64 / hit.len() as f64)
    }

    /// The budget in words.
    pub(super) fn budget(&self) -> String {
        budget(self.rate) + if self.smallest { SMALLEST } else { "" }
    }

    pub(super) fn to_value(&self) -> Value {
        let (hit, all) = self.episodes_hit();
        let seconds = |delay: Option<Duration>| delay.map(|delay| delay.as_secs_f64());
        let episode = |episode: &EpisodeIncidents| {
            let EpisodeIncidents { id, category, alerts, incidents, opened, delay, told } = episode;
            json!({
                "id": id, "category": category, "alerts": alerts, "incidents": incidents, "opened": opened,
                "delay": seconds(*delay), "told": seconds(*told),
            })
        };
        json!({
            "rate": self.rate, "smallest": self.smallest, "seed": self.seed, "seconds": self.seconds, "benign_alerts": self.benign_alerts,
            "benign_incidents": self.benign.len(), "benign_per_hour": self.benign_per_hour(), "benign": self.benign,
            "attack_incidents": self.attacks, "mixed_incidents": self.mixed, "other_incidents": self.others, "news": self.news,
            "episodes_hit": hit, "episodes": all, "episodes_opened": self.episodes_opened(),
            "median_delay": seconds(self.median_delay()), "median_told": seconds(self.median_told()),
            "incidents_per_episode": self.incidents_per_episode(),
            "costs": self.costs.map(Costs::to_value), "by_episode": self.episodes.iter().map(episode).collect::<Vec<_>>(),
        })
    }

    /// The cells of its row in [`table`](Self::table).
    pub(super) fn row(&self) -> Vec<String> {
        let (hit, all) = self.episodes_hit();
        let or = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
        vec![
            self.seed.map_or("-".to_owned(), |seed| seed.to_string()),
            self.budget(),
            format!("{} / {}", self.benign_alerts, self.benign.len()),
            or(self.benign_per_hour().map(|rate| format!("{rate:.1}"))),
            format!("{hit} of {all}"),
            format!("{} / {}", self.attacks, self.mixed),
            self.others.to_string(),
            self.episodes_opened().to_string(),
            or(self.median_delay().map(seconds)),
            or(self.median_told().map(seconds)),
            self.news.to_string(),
            or(self.incidents_per_episode().map(|mean| format!("{mean:.2}"))),
        ]
    }
}

/// The names of the cells of a report's row.
pub(super) const COLUMNS: [&str; 12] = [
    "seed",
    "budget",
    "benign alerts / incidents",
    "benign incidents an hour",
    "episodes with an incident",
    "incidents they are in / with benign sessions too",
    "of attackers' other traffic",
    "episodes that opened one",
    "median time to it",
    "median time to news of it",
    "news told",
    "incidents an episode",
];

/// The middle one, the earlier of two.
fn median(delays: impl Iterator<Item = Duration>) -> Option<Duration> {
    let mut delays: Vec<Duration> = delays.collect();
    delays.sort_unstable();
    delays.get(delays.len().checked_sub(1)? / 2).copied()
}

/// As `2.0 s`.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

impl EpisodeIncidents {
    /// The cells of its row behind its number and kind.
    pub(super) fn cells(&self) -> [String; 5] {
        let or_none = |time: Option<Duration>| time.map_or("none".to_owned(), seconds);
        let ids: Vec<String> = self.incidents.iter().map(u64::to_string).collect();
        let opened = if self.opened { "yes" } else { "no" };
        [self.alerts.to_string(), ids.join(", "), opened.to_owned(), or_none(self.delay), or_none(self.told)]
    }
}

/// The names of these cells.
pub(super) const EPISODE_COLUMNS: [&str; 5] =
    ["alerts", "in incident", "opened one", "time to the first", "time to news of it"];

/// Which incident a session is part of: that of its source before that of its destination.
fn place(found: &[&Incident], session: &Session, verdict: &Verdict) -> Option<usize> {
    let covering = || found.iter().enumerate().filter(|(_, incident)| incident.covers(session, verdict));
    let source = covering().find(|(_, incident)| !matches!(incident.centre, Centre::Destination(_)));
    source.or_else(|| covering().next()).map(|(i, _)| i)
}

impl fmt::Display for IncidentReport {
    /// What became of each episode, as a table in Markdown, and the incidents on benign traffic.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed.map_or(String::new(), |seed| format!(", seed {seed}"));
        writeln!(f, "Incidents at {}{seed}:\n", self.budget())?;
        writeln!(f, "| episode | attack | {} |\n|{}", EPISODE_COLUMNS.join(" | "), "---|".repeat(7))?;
        for episode in &self.episodes {
            writeln!(f, "| {} | {} | {} |", episode.id, episode.category, episode.cells().join(" | "))?;
        }
        if !self.benign.is_empty() {
            writeln!(f, "\nOn benign traffic:\n")?;
            self.benign.iter().try_for_each(|line| writeln!(f, "* {line}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        evaluate::{Labels, Recording, testing::pcap_file},
        incident::testing::{alert, session},
        session::SessionConfig,
    };
    use nf_tests::eth;
    use std::io::Write;

    fn report() -> IncidentReport {
        IncidentReport::at(0.001, false, Some(7))
    }

    fn add(report: &mut IncidentReport, sessions: &[Session], truth: &Truth) {
        let verdicts: Vec<Verdict> = sessions.iter().map(|_| alert(9.0)).collect();
        report.add(sessions, &verdicts, &IncidentConfig::default(), truth).unwrap();
    }

    #[test]
    fn counts_and_delays_by_hand() {
        // An attack of 20 s, of which nothing but its last packets is seen by the sessions below.
        let packet = |second| eth().ipv4([10, 0, 0, 9], [10, 0, 0, 1]).udp(second, 9).build();
        let file = pcap_file((100..120).map(|second| (f64::from(second), packet(second))));
        let recording = Recording::new(file.path());
        let config = SessionConfig::default();
        let attack = Truth::attack("scan", &recording, &config).unwrap();
        let scan: Vec<Session> = (0..10).map(|i| session(9, 1, i, 105.0 + f64::from(i))).collect();
        let seconds = Duration::from_secs;
        let mut report = report();
        assert_eq!((report.benign_per_hour(), report.median_delay(), report.median_told()), (None, None, None));
        add(&mut report, &scan, &attack);
        let expected = EpisodeIncidents {
            id: "scan".into(),
            category: "scan".into(),
            alerts: 10,
            incidents: vec![1],
            opened: true,
            delay: Some(seconds(8)),
            told: Some(seconds(8)),
        };
        assert_eq!(report.episodes, [expected], "the fourth session, 8 s after the first packet, opens it");
        // The same sessions as benign ones, and five alerts in vain.
        let few: Vec<Session> = (0..5).map(|i| session(5, 1, 80, 100.0 + 40.0 * f64::from(i))).collect();
        let both: Vec<Session> = scan.iter().cloned().chain(few).collect();
        add(&mut report, &both, &Truth::benign());
        assert_eq!((report.benign_alerts, report.benign.len(), report.attacks, report.mixed), (15, 1, 1, 0));
        assert_eq!((report.seconds, report.others), (9.0 + 160.0, 0));
        assert_eq!((report.episodes_hit(), report.incidents_per_episode()), ((1, 1), Some(1.0)));
        let cells = ["7", "0.1 %", "15 / 1", "21.3", "1 of 1", "1 / 0", "0", "1", "8.0 s", "8.0 s", "6", "1.00"];
        assert_eq!(report.row(), cells);
        let smallest = IncidentReport { rate: 3.0 / 132.0, smallest: true, ..report.clone() };
        let title = "Incidents at 2.28 %, the smallest rate that the held-out sessions can promise, seed 7:";
        assert!(smallest.to_string().starts_with(title), "{smallest}");
        let text = report.to_string();
        assert!(text.contains("| scan | scan | 10 | 1 | yes | 8.0 s | 8.0 s |"), "{text}");
        assert!(text.contains("* incident 1, 105.0"), "{text}");
    }

    #[test]
    fn an_attack_that_joins_the_incident_of_another_opened_none_and_is_told_of_later() {
        // Two attacks of one host within one incident, what it does later outside every attack, and a benign host.
        let rows =
            "1,scan,100,115,10.0.0.9,10.0.0.1,tcp,*,*,host,-,-\n2,flood,130,135,10.0.0.9,10.0.0.1,tcp,*,*,host,-,-";
        let mut labels = tempfile::NamedTempFile::new().unwrap();
        writeln!(labels, "id,category,start_ts,end_ts,src,dst,proto,dport,sport,match,tool,params\n{rows}").unwrap();
        let mut attackers = tempfile::NamedTempFile::new().unwrap();
        write!(attackers, r#"{{"atk": "10.0.0.9"}}"#).unwrap();
        let labels = Labels::read(labels.path(), Some(attackers.path())).unwrap();
        let times: Vec<f64> =
            (0..10).map(|i| 101.0 + f64::from(i)).chain((0..4).map(|i| 131.0 + f64::from(i))).collect();
        let packet = |port| eth().ipv4([10, 0, 0, 9], [10, 0, 0, 1]).tcp(1000, port).syn().build();
        let file = pcap_file(times.iter().map(|at| (*at, packet(*at as u16))));
        let truth = Truth::labelled(labels, true, &Recording::new(file.path()), &SessionConfig::default()).unwrap();
        let mut sessions: Vec<Session> = times.iter().map(|at| session(9, 1, *at as u16, *at)).collect();
        sessions.extend((0..4).map(|i| session(9, 2, 80, 600.0 + f64::from(i))));
        sessions.extend((0..4).map(|i| session(5, 2, 80, 700.0 + f64::from(i))));
        let mut report = report();
        add(&mut report, &sessions, &truth);
        let seen: Vec<_> = report.episodes.iter().map(|e| (e.alerts, &e.incidents[..], e.opened)).collect();
        assert_eq!(seen, [(10, &[1][..], true), (4, &[1], false)]);
        assert_eq!((report.episodes_hit(), report.episodes_opened()), ((2, 2), 1));
        assert_eq!((report.attacks, report.others, report.benign.len()), (1, 1, 1));
        let delays = report.episodes.iter().map(|e| (e.delay, e.told)).collect::<Vec<_>>();
        let [three, none] = [Duration::from_secs(3), Duration::ZERO].map(Some);
        // 14 sessions are less than twice the 8 of the last news: nothing is told before it closes.
        assert_eq!(delays, [(three, three), (none, Some(Duration::from_secs(3 + 120)))]);
        assert_eq!(report.median_told(), three);
    }
}
