//! Least squares with costs that are not negative.

use nalgebra::{SMatrix, SVector};

/// Terms at most.
const MOST: usize = 8;

type Normal = SMatrix<f64, MOST, MOST>;
type Costs = SVector<f64, MOST>;

/// The costs, none negative, for which `amounts` times costs come nearest to `seconds`: the sum of squared
/// relative errors is least. `amounts` has a row a measurement, of at most eight terms.
///
/// All subsets of terms are tried: that is at most 255 small systems.
pub fn least_squares(amounts: &[Vec<f64>], seconds: &[f64]) -> Vec<f64> {
    let terms = amounts.first().map_or(0, Vec::len);
    // Of one length each, so that no term is lost for its unit.
    let lengths: Vec<f64> = (0..terms)
        .map(|term| amounts.iter().zip(seconds).map(|(row, s)| (row[term] / s).powi(2)).sum::<f64>().sqrt())
        .collect();
    let mut normal = Normal::zeros();
    let mut right = Costs::zeros();
    for (row, second) in amounts.iter().zip(seconds) {
        let relative = Costs::from_fn(|term, _| match lengths.get(term) {
            Some(&length) if length > 0.0 => row[term] / second / length,
            _ => 0.0,
        });
        normal += relative * relative.transpose();
        right += relative;
    }
    let mut best = (0.0, Costs::zeros());
    for subset in 1..1usize << terms {
        let Some(costs) = solve(&normal, &right, |term| subset >> term & 1 == 1) else { continue };
        // What the squared error loses, compared with all costs at zero.
        let gain = (2.0 * right.dot(&costs)) - costs.dot(&(normal * costs));
        if gain > best.0 && costs.iter().all(|&cost| cost >= 0.0) {
            best = (gain, costs);
        }
    }
    lengths
        .iter()
        .zip(best.1.iter())
        .map(|(&length, cost)| if length > 0.0 { cost / length } else { 0.0 })
        .collect()
}

/// The least squares with the terms that are `chosen`, by the normal equations; zero for the others. `None`
/// where terms depend on each other.
fn solve(normal: &Normal, right: &Costs, chosen: impl Fn(usize) -> bool) -> Option<Costs> {
    let system = Normal::from_fn(|row, column| match (chosen(row) && chosen(column), row == column) {
        (true, _) => normal[(row, column)],
        (false, diagonal) => f64::from(u8::from(diagonal)),
    });
    let right = Costs::from_fn(|term, _| if chosen(term) { right[term] } else { 0.0 });
    Some(system.cholesky()?.solve(&right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows() -> Vec<Vec<f64>> {
        (1..12).map(|n| vec![1.0, f64::from(n * n), 1e9 * f64::from(n % 5), 1.0 / f64::from(n)]).collect()
    }

    fn seconds(rows: &[Vec<f64>], costs: &[f64]) -> Vec<f64> {
        rows.iter().map(|row| row.iter().zip(costs).map(|(amount, cost)| amount * cost).sum()).collect()
    }

    #[test]
    fn costs_of_very_different_sizes_are_found_again() {
        let costs = [1e-4, 2e-6, 3e-12, 0.0];
        let found = least_squares(&rows(), &seconds(&rows(), &costs));
        for (found, cost) in found.iter().zip(costs) {
            assert!((found - cost).abs() <= 1e-6 * cost + 1e-12, "{found} for {cost}");
        }
    }

    #[test]
    fn a_term_that_would_be_negative_is_left_out() {
        let found = least_squares(&rows(), &seconds(&rows(), &[1.0, 1e-3, 0.0, -0.1]));
        assert!(found.iter().all(|&cost| cost >= 0.0), "{found:?}");
        assert_eq!(found[3], 0.0);
    }

    #[test]
    fn a_term_without_amounts_costs_nothing() {
        let rows: Vec<Vec<f64>> = (1..5).map(|n| vec![f64::from(n), 0.0]).collect();
        assert_eq!(least_squares(&rows, &[2.0, 4.0, 6.0, 8.0])[1], 0.0);
    }
}
