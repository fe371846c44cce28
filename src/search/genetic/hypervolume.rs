//! Hypervolume (Zitzler, Thiele 1999): how much of the space of objectives a set of points dominates.

use super::goals::MAX_GOALS;

/// The volume of the union of the boxes from the origin to each point; a point without gain in any direction has none.
///
/// The third direction is cut into slices, in each of which the points that reach it make a staircase. Sums are in
/// an order that depends on the points alone.
pub fn of_gains(mut points: Vec<[f64; MAX_GOALS]>) -> f64 {
    points.retain(|point| point.iter().all(|&gain| gain > 0.0));
    points.sort_by(|a, b| b[2].total_cmp(&a[2]).then(b[0].total_cmp(&a[0])).then(b[1].total_cmp(&a[1])));
    let mut stairs = Vec::new();
    let mut volume = 0.0;
    for (n, &[first, second, third]) in points.iter().enumerate() {
        add(&mut stairs, [first, second]);
        let next = points.get(n + 1).map_or(0.0, |point| point[2]);
        if next < third {
            volume += area(&stairs) * (third - next);
        }
    }
    volume
}

/// Adds a point to a staircase, whose points have falling first and rising second coordinates.
fn add(stairs: &mut Vec<[f64; 2]>, point: [f64; 2]) {
    let place = stairs.partition_point(|stair| stair[0] > point[0]);
    let covers = |stair: &[f64; 2]| stair[0] >= point[0] && stair[1] >= point[1];
    if stairs[..place].last().is_some_and(covers) || stairs.get(place).is_some_and(covers) {
        return;
    }
    let covered = stairs[place..].iter().take_while(|stair| stair[1] <= point[1]).count();
    stairs.splice(place..place + covered, [point]);
}

fn area(stairs: &[[f64; 2]]) -> f64 {
    let next = |n: usize| stairs.get(n + 1).map_or(0.0, |stair| stair[0]);
    stairs.iter().enumerate().map(|(n, stair)| (stair[0] - next(n)) * stair[1]).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_that_overlap_count_once() {
        let volume = |points: &[[f64; 3]]| of_gains(points.to_vec());
        assert_eq!(volume(&[]), 0.0);
        assert_eq!(volume(&[[1.0, 2.0, 1.0], [2.0, 1.0, 1.0], [1.0, 1.0, 1.0], [1.0, 2.0, 1.0]]), 3.0);
        assert_eq!(volume(&[[2.0, 2.0, 1.0], [1.0, 1.0, 3.0], [9.0, -1.0, 9.0]]), 4.0 + 2.0);
        assert_eq!(volume(&[[1.0, 3.0, 2.0], [2.0, 3.0, 1.0], [2.0, 4.0, 1.0]]), 8.0 + 3.0);
    }
}
