//! A comparison as text: the row of the paper's Figure 6c, and a line for each architecture.

use super::{CellTest, Comparison, Distribution, Matching, MixedModelFit, Summary};
use crate::table::Table;
use std::fmt::{Display, Formatter, Result};

/// A p-value as text: three decimals, or one digit and an exponent.
pub fn p_text(p: f64) -> String {
    if p < 0.001 { format!("{p:.1e}") } else { format!("{p:.3}") }
}

/// In percent, as tables of results have it.
pub fn side_text(summary: &Option<Summary>) -> String {
    let percent = |share: f64| 100.0 * share;
    match summary {
        None => "no runs".to_string(),
        Some(Summary { count, mean, spread: None, .. }) => format!("{:.2} (n {count})", percent(*mean)),
        Some(Summary { count, mean, spread: Some(spread), .. }) => {
            let deviation = percent(spread.standard_deviation);
            format!("{:.2} ± {deviation:.2} (n {count})", percent(*mean))
        }
    }
}

/// The test's p-value and what it rests on.
pub fn test_text(test: &Option<CellTest>) -> String {
    let Some(CellTest { matching, test }) = test else { return "–".to_string() };
    let distribution = match test.distribution {
        Distribution::Exact => "exact",
        Distribution::Normal => "normal",
    };
    let test_name = match matching {
        Matching::Paired { pairs, without_partner: 0 } => format!("Wilcoxon, {pairs} pairs"),
        Matching::Paired { pairs, without_partner } => {
            format!("Wilcoxon, {pairs} pairs, {without_partner} without a partner")
        }
        Matching::Unpaired => "Mann-Whitney".to_string(),
    };
    format!("p = {} ({test_name}, {distribution})", p_text(test.p))
}

/// The mixed model's row, and what it rests on.
fn write_model(f: &mut Formatter<'_>, comparison: &Comparison, fit: &MixedModelFit) -> Result {
    let columns = ["reference", "target", ">coef", ">std err", ">z", ">P>|z|", ">[0.025", ">0.975]"];
    let mut table = Table::new("model", "", &columns);
    let effect = fit.algorithm;
    let [low, high] = effect.interval;
    let short = |value: f64| format!("{value:.3}");
    table.push(vec![
        comparison.reference.clone(),
        comparison.target.clone(),
        short(effect.coefficient),
        short(effect.standard_error),
        short(effect.z),
        p_text(effect.p),
        short(low),
        short(high),
    ]);
    f.write_str(&table.to_text_within(f.width()))?;
    write!(f, "{} runs, log-likelihood {:.3}", fit.rows, fit.log_likelihood)?;
    for (name, variance) in [("architecture", fit.group_variance), ("seed", fit.seed_variance)] {
        if let Some(variance) = variance {
            write!(f, ", variance of {name} {variance:.4}")?;
        }
    }
    writeln!(f, ", residual {:.4}", fit.residual_variance)?;
    writeln!(
        f,
        "1 unit of coef = {:.2} percentage points of accuracy (standard deviation of all runs)",
        100.0 * comparison.standard_deviation
    )
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        writeln!(f, "Linear mixed model of standardised accuracies (REML)")?;
        match self.left_out {
            Some(reason) => writeln!(f, "random effects: {} ({reason})", self.effects)?,
            None => writeln!(f, "random effects: {}", self.effects)?,
        }
        match &self.model {
            Err(reason) => writeln!(f, "not fitted: {reason}")?,
            Ok(fit) => write_model(f, self, fit)?,
        }

        writeln!(f, "\nAccuracy in %, mean ± standard deviation")?;
        let columns = ["architecture", &self.reference, &self.target, "target against reference"];
        let mut table = Table::new("comparison", "", &columns);
        let cells = self.cells.iter().map(|(name, runs)| (name.as_str(), runs));
        for (name, runs) in cells.chain([("all", &self.overall)]) {
            table.push(vec![
                name.to_owned(),
                side_text(&runs.reference),
                side_text(&runs.target),
                test_text(&runs.test),
            ]);
        }
        // A width asked for is that of the terminal.
        f.write_str(&table.to_text_within(f.width()))
    }
}
