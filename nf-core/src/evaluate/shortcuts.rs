//! Shortcuts: single columns that tell attacks from benign traffic almost alone, and whether that would hold elsewhere.

use super::metrics::MACRO_SESSIONS;
use crate::{
    Result,
    features::{FeatureSpec, Rows},
    session::Session,
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fmt};

/// A column that ranks attacks above benign sessions, or below, this well does it almost alone.
pub const ALONE: f64 = 0.95;

/// How well each single column tells attacks from benign sessions.
///
/// Where one does, a detector that found it has learned the recording and not attacks, unless the column is behaviour that
/// attacks cannot do without. What speaks against that: it is one of the [addressing](FeatureSpec::addresses) columns, which
/// name the hosts of one network; or it separates few kinds of attack, or some upwards and some downwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Shortcuts {
    columns: Vec<ColumnProbe>,
}

/// What a single column tells.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ColumnProbe {
    /// Which spec it belongs to: `flow`, `context` or `addresses` (of the first packet).
    pub spec: &'static str,
    /// The column's name.
    pub column: String,
    /// AUROC of the raw value for each kind of attack with at least 5 sessions: 1 where all attacks lie above all benign
    /// sessions, 0 where all lie below.
    pub auroc: BTreeMap<String, f64>,
    /// Whether attacks lie above, by the mean over the kinds.
    pub upwards: bool,
    /// The mean over the kinds in that direction, 0.5 to 1.
    pub separation: f64,
    /// How many kinds it separates almost alone ([`ALONE`]) in that direction.
    pub separates: usize,
}

impl ColumnProbe {
    /// Whether the column could mean the same on another network: it names neither hosts nor ports.
    pub fn may_transfer(&self) -> bool {
        self.spec != "addresses" || matches!(self.column.as_str(), "ip_len" | "protocol")
    }

    /// Whether it separates almost alone, over all kinds.
    pub fn is_shortcut(&self) -> bool {
        self.separation >= ALONE
    }

    /// How well it separates one kind, in the better direction.
    fn of_kind(&self, kind: &str) -> f64 {
        self.auroc.get(kind).map_or(0.5, |&value| value.max(1.0 - value))
    }
}

impl Shortcuts {
    /// Looks at every column of benign sessions and of attacks, by kind. The sessions must come with their context.
    ///
    /// # Errors
    /// [`ErrorKind::Data`](crate::ErrorKind::Data) where a session has no context.
    pub fn probe(benign: &[Session], attacks: &[(String, Session)]) -> Result<Self> {
        let mut kinds: BTreeMap<&str, Vec<&Session>> = BTreeMap::new();
        for (kind, session) in attacks {
            kinds.entry(kind).or_default().push(session);
        }
        kinds.retain(|_, sessions| sessions.len() >= MACRO_SESSIONS);
        let mut columns = Vec::new();
        let specs = [
            ("flow", FeatureSpec::flow()),
            ("context", FeatureSpec::context()),
            ("addresses", FeatureSpec::addresses(1)),
        ];
        for (name, spec) in specs {
            let usual = spec.extract(benign)?;
            let strange = kinds
                .iter()
                .map(|(kind, sessions)| Ok((*kind, spec.extract(sessions.iter().copied())?)))
                .collect::<Result<Vec<_>>>()?;
            for (place, column) in spec.schema().columns().iter().enumerate() {
                let mut usual = values(&usual, place);
                usual.sort_unstable_by(f32::total_cmp);
                let of_kind =
                    |(kind, rows): &(&str, Rows)| Some(((*kind).to_owned(), above(&usual, &values(rows, place))?));
                let by_kind = strange.iter().filter_map(of_kind).collect();
                columns.extend(ColumnProbe::new(name, column.name.to_string(), by_kind));
            }
        }
        columns.sort_by(|a, b| b.separation.total_cmp(&a.separation).then_with(|| a.column.cmp(&b.column)));
        Ok(Self { columns })
    }

    /// Every column, the best separating first; none without benign sessions or kinds of attack with at least 5 sessions.
    pub fn columns(&self) -> &[ColumnProbe] {
        &self.columns
    }

    /// For each kind of attack the column that separates it best and may transfer, and how well.
    pub fn best_by_kind(&self) -> BTreeMap<&str, (&ColumnProbe, f64)> {
        let mut best: BTreeMap<&str, (&ColumnProbe, f64)> = BTreeMap::new();
        for column in self.columns.iter().filter(|column| column.may_transfer()) {
            for kind in column.auroc.keys() {
                let separation = column.of_kind(kind);
                let entry = best.entry(kind).or_insert((column, separation));
                if separation > entry.1 {
                    *entry = (column, separation);
                }
            }
        }
        best
    }

    pub(super) fn to_value(&self) -> Value {
        let column = |probe: &ColumnProbe| {
            json!({
                "spec": probe.spec, "column": probe.column, "separation": probe.separation, "upwards": probe.upwards,
                "separates": probe.separates, "kinds": probe.auroc.len(), "may_transfer": probe.may_transfer(),
                "shortcut": probe.is_shortcut(), "auroc": probe.auroc,
            })
        };
        json!(self.columns.iter().map(column).collect::<Vec<_>>())
    }
}

impl ColumnProbe {
    fn new(spec: &'static str, column: String, auroc: BTreeMap<String, f64>) -> Option<Self> {
        if auroc.is_empty() {
            return None;
        }
        let mean = auroc.values().sum::<f64>() / auroc.len() as f64;
        let upwards = mean >= 0.5;
        let directed = |value: f64| if upwards { value } else { 1.0 - value };
        let separates = auroc.values().filter(|&&value| directed(value) >= ALONE).count();
        Some(Self { spec, column, upwards, separation: directed(mean), separates, auroc })
    }
}

/// The values of one column.
fn values(rows: &Rows, column: usize) -> Vec<f32> {
    let from = column.min(rows.data().len());
    // Adding zero makes one zero of -0 and 0, which sort apart.
    rows.data()[from..].iter().step_by(rows.width()).map(|value| value + 0.0).collect()
}

/// How often a strange value lies above a usual one, ties counting half: AUROC with the usual values in order, which are the
/// same for all kinds of attack.
fn above(usual: &[f32], strange: &[f32]) -> Option<f64> {
    let wins = |value: &f32| {
        let (below, up_to) = (usual.partition_point(|u| u < value), usual.partition_point(|u| u <= value));
        (below + up_to) as f64 / 2.0
    };
    let pairs = usual.len() * strange.len();
    (pairs > 0).then(|| strange.iter().map(wins).sum::<f64>() / pairs as f64)
}

/// Columns that the text shows.
const SHOWN: usize = 10;

impl fmt::Display for Shortcuts {
    /// Tables in Markdown: the ten columns that separate best, and the best for each kind of attack.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = self.columns.iter().filter(|column| column.is_shortcut()).count();
        writeln!(
            f,
            "Single columns: {found} of {} separate attacks almost alone (macro AUROC at least {ALONE}):\n",
            self.columns.len()
        )?;
        writeln!(f, "| column | of | macro AUROC | attacks lie | kinds separated alone | would it transfer |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for probe in self.columns.iter().take(SHOWN) {
            let ColumnProbe { spec, column, separation, separates, auroc, .. } = probe;
            let way = if probe.upwards { "above" } else { "below" };
            let transfer = match (probe.may_transfer(), *separates * 2 >= auroc.len()) {
                (false, _) => "no, it names hosts",
                (true, true) => "perhaps, most kinds share it",
                (true, false) => "no, few kinds share it",
            };
            writeln!(
                f,
                "| {column} | {spec} | {separation:.3} | {way} | {separates} of {} | {transfer} |",
                auroc.len()
            )?;
        }
        writeln!(f, "\n| attack | best single column | AUROC |\n|---|---|---|")?;
        for (kind, (probe, separation)) in self.best_by_kind() {
            writeln!(f, "| {kind} | {} | {separation:.3} |", probe.column)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detector::testing::{cut, frames, frames_with_uploads};

    fn named(kind: &str, sessions: &[Session]) -> Vec<(String, Session)> {
        sessions.iter().map(|session| (kind.to_owned(), session.clone())).collect()
    }

    #[test]
    fn counts_pairs_as_the_figures_do() {
        let (mut usual, strange) = (vec![1.0, 2.0, 2.0, 5.0, 0.0], vec![0.0, 2.0, 9.0]);
        let expected = crate::evaluate::auroc(&usual, &strange);
        usual.sort_unstable_by(f32::total_cmp);
        assert_eq!(above(&usual, &strange), expected);
        assert_eq!((above(&[], &strange), above(&usual, &[])), (None, None));
    }

    #[test]
    fn finds_the_columns_that_give_attacks_away() {
        let benign = cut(&frames(200, 1));
        let mut attacks = named("upload", &cut(&frames_with_uploads(0, 6, 2)));
        attacks.extend(named("like benign", &cut(&frames(50, 3))));
        attacks.extend(named("few", &cut(&frames_with_uploads(0, 4, 4))));
        let found = Shortcuts::probe(&benign, &attacks).unwrap();
        let column = |name: &str| found.columns().iter().find(|probe| probe.column == name).unwrap();

        let duration = column("duration");
        assert_eq!(duration.auroc.keys().collect::<Vec<_>>(), ["like benign", "upload"], "few are too few");
        assert_eq!((duration.auroc["upload"], duration.spec, duration.upwards), (1.0, "flow", true));
        assert!((duration.auroc["like benign"] - 0.5).abs() < 0.1 && duration.separates == 1);
        assert!((duration.separation - (1.0 + duration.auroc["like benign"]) / 2.0).abs() < 1e-12);
        assert!(!duration.is_shortcut() && duration.may_transfer());
        // Uploads have no answer with payload: below all benign sessions.
        let answer = column("resp_bytes");
        assert_eq!((answer.auroc["upload"], answer.upwards), (0.0, false));
        let naming = found.columns().iter().filter(|probe| !probe.may_transfer());
        let mut naming: Vec<&str> = naming.map(|probe| probe.column.as_str()).collect();
        naming.sort_unstable();
        assert_eq!(naming, ["ip_dst", "ip_src", "mac_dst", "mac_src", "port_dst", "port_src"]);
        assert_eq!(found.best_by_kind()["upload"].1, 1.0);

        let alone = Shortcuts::probe(&benign, &named("upload", &cut(&frames_with_uploads(0, 6, 2)))).unwrap();
        assert!(alone.columns()[0].is_shortcut() && alone.columns()[0].separation == 1.0);
        assert!(alone.to_string().contains("| perhaps, most kinds share it |"), "{alone}");
        assert!(Shortcuts::probe(&benign, &[]).unwrap().columns().is_empty());
    }
}
