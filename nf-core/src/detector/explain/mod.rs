//! Why an alert is one: the facts that would have made it normal.

mod background;
mod carried;
mod layout;
mod packets;
mod probe;
mod search;
mod sentence;
mod weigher;

pub(super) use background::Background;
pub(crate) use carried::Carried;
pub use carried::Carrier;
pub(super) use carried::Values;
pub(crate) use weigher::{Weigher, Weighing};

use super::{Detector, Verdict};
use crate::{Error, ErrorKind, Result, features::Column, parallel, session::Session};
use probe::{Altered, Place, Probe};
use search::Found;
use std::{fmt, sync::Arc};

/// Of how many packets single values may be named: those with the largest part in the score.
const DEEP: usize = 4;

/// Why a verdict is what it is: the fewest facts found that turn an alert normal.
///
/// A fact is a value that heads read, or several that state the same ([`Column::fact`](crate::Column::fact)), of the session
/// or of one of its packets. It is set to what was expected given all other values: the values of the nearest benign row of the training in
/// the other columns, or what a model that rebuilds rows makes of that; whichever is less
/// strange. An alert that several sessions carry together is explained with all of them: a fact is set in each, to what was
/// expected in each, and their scores are added up again.
///
/// So an explanation is checked: [`turned_normal`](Self::turned_normal) says whether the session with the named facts as
/// expected, [`after`](Self::after), would be no alert *at its strangest look*, which the verdict is of and the explanation with it. Other
/// looks at the session are not judged anew: one that was above the cut as well may have reasons of its own.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The verdict explained.
    pub verdict: Verdict,
    /// The facts, by falling part in the verdict; for a verdict that is no alert, the five strongest.
    pub facts: Vec<Fact>,
    /// Whether the strangest look is normal with all these facts as expected.
    pub turned_normal: bool,
    /// What that look would have said with all these facts as expected.
    pub after: Verdict,
    /// The sessions that carry the verdict, its own first: the facts were set in each of them.
    pub carriers: Vec<Carrier>,
    /// Which of the carriers is looked into: the session itself, or the strangest where the session's own score is less than
    /// half of that.
    pub shown: usize,
    /// The part of each packet of that carrier that heads read in its score, 0 to 1, from the first that the session kept; all
    /// 0 where no head reads packets.
    pub packets: Vec<f64>,
}

/// One reason: what was seen and what was expected.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Fact {
    /// Its name: [`Column::fact`](crate::Column::fact).
    pub name: String,
    /// The packet, from 0; `None` for a fact of the whole session.
    pub packet: Option<usize>,
    /// Which of the explanation's carriers the values are of.
    pub carrier: usize,
    /// The values that state it: what benign traffic does not reach first, then by how different
    /// they are from what was expected; those that are as expected are left out.
    pub cells: Vec<Cell>,
    /// By how much of the score that decides the verdict falls once this is set, beside those before, 0 to 1.
    pub contribution: f64,
    /// What is strange about it, in words.
    pub sentence: String,
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Cell {
    /// The column's name.
    pub column: String,
    /// The column's unit; empty for a plain number.
    pub unit: String,
    /// What was seen, in that unit.
    pub observed: f64,
    /// What was expected, in that unit.
    pub expected: f64,
    /// Between what 99.8 % of the benign values of the training lie, in that unit; `None` where there were none.
    pub reach: Option<[f64; 2]>,
}

impl Cell {
    pub(super) fn new(column: &Column, observed: f64, expected: f64, reach: Option<[f64; 2]>) -> Self {
        Self { column: column.name.to_string(), unit: column.unit.to_string(), observed, expected, reach }
    }
}

impl Detector {
    /// Why the session is as strange as it is, judged by itself.
    ///
    /// # Errors
    /// As [`judge`](Self::judge).
    pub fn explain(&self, session: &Session) -> Result<Explanation> {
        self.explain_verdict(session, &self.judge(session)?)
    }

    /// Why the session got this verdict: with the sessions that carry it, where it is an alert by evidence.
    ///
    /// # Errors
    /// As [`judge`](Self::judge), and [`ErrorKind::Data`] where the verdict is that of another session or of a detector with
    /// other heads.
    pub fn explain_verdict(&self, session: &Session, verdict: &Verdict) -> Result<Explanation> {
        let heads = verdict.heads.iter().map(|head| &*head.name);
        if !heads.eq(self.head_names()) {
            return Err(of_others(session));
        }
        let carried = match verdict.carried() {
            Some(carried) => carried.clone(),
            None => {
                let seen = session.at_look(verdict.look);
                let values = self.background.layout.extract(&self.heads, &[&seen])?.swap_remove(0);
                let scores = verdict.heads.iter().map(|head| head.score).collect();
                let imprint = carried::Imprint::new(session, verdict.look, scores, values);
                Arc::new(Carried::alone(Arc::new(imprint), verdict.score))
            }
        };
        if !carried.fits(&self.background.layout) {
            return Err(of_others(session));
        }
        let own = &carried.carriers()[0];
        if (own.key(), own.start()) != (session.key(), session.start()) {
            let message = format!("session {}: the verdict is that of {}", session.key(), own.key());
            return Err(Error::new(ErrorKind::Data, message));
        }
        Explainer { probe: Probe::new(self, verdict, &carried), verdict }.explain()
    }

    /// Why the alerts among these verdicts are alerts: one explanation a verdict, `None` for those that are no alert.
    ///
    /// # Errors
    /// As [`explain_verdict`](Self::explain_verdict), and [`ErrorKind::Data`] where there are not as many verdicts as
    /// sessions.
    pub fn explain_all(&self, sessions: &[Session], verdicts: &[Verdict]) -> Result<Vec<Option<Explanation>>> {
        if sessions.len() != verdicts.len() {
            let message =
                format!("{} verdicts for {} sessions, there must be one each", verdicts.len(), sessions.len());
            return Err(Error::new(ErrorKind::Data, message));
        }
        let pairs: Vec<_> = sessions.iter().zip(verdicts).collect();
        parallel::in_chunks(&pairs, self.threads, |pairs| {
            let explain = |(session, verdict): &(&Session, &Verdict)| {
                verdict.is_anomaly().then(|| self.explain_verdict(session, verdict)).transpose()
            };
            pairs.iter().map(explain).collect()
        })
    }
}

fn of_others(session: &Session) -> Error {
    let message = format!("session {}: the verdict is of a detector with other heads", session.key());
    Error::new(ErrorKind::Data, message)
}

impl Detector {
    /// The same detector with explanations that name single columns, also where these follow from each other.
    #[cfg_attr(not(feature = "evaluate"), allow(dead_code, reason = "it is evaluated beside the facts"))]
    pub(crate) fn with_columns_as_facts(&self) -> Self {
        Self { background: Arc::new(self.background.by_column(&self.heads)), ..self.clone() }
    }
}

struct Explainer<'a> {
    probe: Probe<'a>,
    verdict: &'a Verdict,
}

impl Explainer<'_> {
    fn explain(&self) -> Result<Explanation> {
        let probe = &self.probe;
        let carriers = &probe.carried.carriers;
        let strangest = probe.strangest();
        let shown = if carriers[0].score < 0.5 * carriers[strangest].score { strangest } else { 0 };
        let layout = &probe.background.layout;
        let steps = carriers[shown].imprint.values[1].len().checked_div(layout.packets.columns.len()).unwrap_or(0);
        let packets = probe.packet_parts(shown, steps)?;
        let Found { named, altered, turned_normal } = search::search(probe, &self.candidates(&packets))?;
        let (mut facts, mut told) = (Vec::new(), Vec::new());
        for (place, part) in named {
            let fact = self.fact(place, [shown, strangest], &altered, part, &mut told);
            // Where all its values are as expected it says nothing.
            if !fact.cells.is_empty() {
                facts.push(fact);
            }
        }
        Ok(Explanation {
            verdict: self.verdict.clone(),
            facts,
            turned_normal,
            after: probe.verdict_after(&altered),
            carriers: carriers.clone(),
            shown,
            packets,
        })
    }

    /// What may be named: all facts of the session, and those of the packets with the largest parts.
    fn candidates(&self, packets: &[f64]) -> Vec<Place> {
        let layout = &self.probe.background.layout;
        let mut strangest: Vec<usize> = (0..packets.len()).filter(|&i| packets[i] > 0.0).collect();
        strangest.sort_by(|&a, &b| packets[b].total_cmp(&packets[a]));
        strangest.truncate(DEEP);
        let facts = |packet, count| (0..count).map(move |fact| Place { packet, fact });
        let of_packets = strangest.into_iter().flat_map(|i| facts(Some(i), layout.packets.facts.len()));
        facts(None, layout.flat.facts.len()).chain(of_packets).collect()
    }

    /// A fact as the first of some carriers has it of which it says anything. Its sentence is on a column that no fact before has
    /// told of.
    fn fact(
        &self,
        place: Place,
        of: [usize; 2],
        altered: &[Altered],
        contribution: f64,
        told: &mut Vec<(Option<usize>, usize)>,
    ) -> Fact {
        let part = self.probe.part(place);
        let (name, columns) = &part.facts[place.fact];
        let all = (0..altered.len()).rev();
        let (carrier, mut cells) = of
            .into_iter()
            .chain(all)
            .map(|carrier| (carrier, self.cells(place, columns, carrier, &altered[carrier])))
            .find(|(_, cells)| !cells.is_empty())
            .unwrap_or_default();
        if let Some(new) = cells.iter().position(|(at, _)| !told.contains(&(place.packet, *at))) {
            cells[..=new].rotate_right(1);
            told.push((place.packet, cells[0].0));
        }
        let outcome = self.probe.carried.carriers[carrier].imprint.outcome;
        let sentence =
            cells.first().map_or_else(String::new, |(at, cell)| sentence::sentence(&part.columns[*at], cell, outcome));
        let cells = cells.into_iter().map(|(_, cell)| cell).collect();
        Fact { name: name.clone(), packet: place.packet, carrier, cells, contribution, sentence }
    }

    /// The values of a fact's columns that are not as expected, what benign traffic does not reach first, then by how different
    /// they are.
    fn cells(&self, place: Place, columns: &[usize], carrier: usize, altered: &Altered) -> Vec<(usize, Cell)> {
        let (probe, part) = (&self.probe, self.probe.part(place));
        let imprint = &probe.carried.carriers[carrier].imprint;
        let (kind, offset) = place.packet.map_or((0, 0), |packet| (1, packet * part.columns.len()));
        let mut cells: Vec<(bool, f32, usize, Cell)> = Vec::new();
        for &at in columns {
            // A carrier may have fewer packets than the one whose packets were looked into.
            let pair = imprint.values[kind].get(offset + at).zip(altered.values[kind].get(offset + at));
            let Some((&observed, &expected)) = pair else { continue };
            let column = &part.columns[at];
            let scale = |value| part.scale(&probe.detector.heads, at, value);
            let apart = (scale(observed) - scale(expected)).abs();
            if observed != expected {
                let reach = probe.background.reach(part, at);
                let quantity = |stored| column.transform.quantity(stored);
                let cell = Cell::new(column, quantity(observed), quantity(expected), reach);
                let beyond = reach.is_some_and(|[least, most]| !(least..=most).contains(&cell.observed));
                cells.push((!beyond, apart, at, cell));
            }
        }
        // What looks the same in words is told only where there is nothing else.
        if cells.len() > 1 {
            let differ = |(.., at, cell): &(bool, f32, usize, Cell)| sentence::differ(&part.columns[*at], cell);
            let mut differ = cells.iter().map(differ).collect::<Vec<bool>>().into_iter();
            if differ.as_slice().contains(&true) {
                cells.retain(|_| differ.next() == Some(true));
            }
        }
        cells.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.total_cmp(&a.1)));
        cells.into_iter().map(|(.., at, cell)| (at, cell)).collect()
    }
}

impl fmt::Display for Explanation {
    /// The verdict, then the facts, one a line, and whether they explain it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.verdict)?;
        for fact in &self.facts {
            write!(f, "\n  {fact}")?;
        }
        self.check().map_or(Ok(()), |check| write!(f, "\n  {check}"))
    }
}

impl Explanation {
    /// Whether the facts explain an alert, in words: `with these as expected in 8 sessions it is normal: score 4.42 ≤ 4.61`.
    pub(crate) fn check(&self) -> Option<String> {
        let (score, cut) = (self.after.deciding_score(), self.after.threshold);
        let of = match self.carriers.len() {
            1 => String::new(),
            n => format!(" in {n} sessions"),
        };
        let (what, sign) = if self.turned_normal { ("normal", '\u{2264}') } else { ("still strange", '>') };
        let text = format!("with these as expected{of} it is {what}: score {score:.2} {sign} {cut:.2}");
        self.verdict.anomaly.then_some(text)
    }
}

impl fmt::Display for Fact {
    /// `41 % packet 3: 12 s after the packet before; benign sessions here reach 1.5 s (gap)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:2.0} % ", 100.0 * self.contribution)?;
        if let Some(packet) = self.packet {
            write!(f, "packet {}: ", packet + 1)?;
        }
        write!(f, "{} ({})", self.sentence, self.name)
    }
}

#[cfg(test)]
mod tests;
