//! Distorted copies of training images.
//!
//! Each copy is the image under a small random affine map about its centre (as LeCun et al. 1998 and Simard et
//! al. 2003 trained on), read bilinearly, with zeros beyond its edges.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::DatasetError;
use super::numbers::Numbers;
use super::unscaled::Unscaled;
use crate::memory::{product, require};
use crate::random::{Concern, Stream, normal, stream};
use crate::settings::BadSetting;

/// Training samples that are distorted copies of the data set's own: for square images, row by row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Copies of each training sample, beside itself.
    pub copies: usize,
    /// Standard deviation of the shift along each axis, in pixels.
    pub shift: f64,
    /// Standard deviation of the rotation, in degrees.
    pub rotation: f64,
    /// Standard deviation of the logarithm of the stretching along each axis.
    pub stretch: f64,
    /// Of the maps: all runs with one seed see the same copies.
    pub seed: u64,
}

impl Default for Augmentation {
    fn default() -> Self {
        Self { copies: 8, shift: 0.5, rotation: 7.0, stretch: 0.1, seed: 0 }
    }
}

/// Features of an augmented training set at most: 4 GiB.
const MOST_NUMBERS: usize = 1 << 30;

impl Augmentation {
    pub(super) fn validate(&self) -> Result<(), DatasetError> {
        DatasetError::ensure(self.copies > 0, "augmentation.copies", self.copies, "at least 1")?;
        for (setting, value) in [
            ("augmentation.shift", self.shift),
            ("augmentation.rotation", self.rotation),
            ("augmentation.stretch", self.stretch),
        ] {
            DatasetError::ensure(value >= 0.0 && value.is_finite(), setting, value, "at least 0")?;
        }
        Ok(())
    }

    /// Appends the copies to `train`: all images once, then once more, and so on. Images are rounded to f32.
    ///
    /// # Errors
    /// [`DatasetError::Setting`] where samples are no square images, or where the copies take too much memory.
    pub(super) fn apply(&self, train: &mut Unscaled) -> Result<(), DatasetError> {
        let side = train.width.isqrt();
        if side * side != train.width {
            let reason = format!(
                "samples have {} features, but must be square images, such as of 64 or 784 features",
                train.width
            );
            return Err(BadSetting::new("dataset.augmentation", reason).into());
        }
        let numbers = self.copies.checked_add(1).and_then(|times| times.checked_mul(train.features.len()));
        let holds = numbers.is_some_and(|numbers| numbers <= MOST_NUMBERS);
        let expected = format!("so small that the training set has at most {MOST_NUMBERS} features in all");
        DatasetError::ensure(holds, "augmentation.copies", self.copies, expected)?;
        let (width, samples) = (train.width, train.len());
        let bytes = product(&[self.copies, size_of::<f32>(), train.features.len() + samples]);
        require(bytes, || format!("augmentation.copies of {} of {samples} images", self.copies))?;
        let mut features = std::mem::take(&mut train.features).into_single();
        let own = features.len();
        let mut rng = stream(self.seed, Concern::Augmentation);
        for _ in 0..self.copies {
            for image in 0..samples {
                let map = self.draw(side, &mut rng);
                for pixel in 0..width {
                    let value = map.read(&features[image * width..][..width], side, pixel);
                    features.push(value);
                }
            }
            train.labels.extend_from_within(..samples);
        }
        debug_assert_eq!(features.len(), own * (self.copies + 1));
        train.features = Numbers::Single(features);
        Ok(())
    }

    fn draw(&self, side: usize, rng: &mut Stream) -> AffineMap {
        let (sine, cosine) = libm::sincos((self.rotation * normal(rng)).to_radians());
        let [down, right] = [(); 2].map(|()| libm::exp(self.stretch * normal(rng)));
        let shift = [(); 2].map(|()| self.shift * normal(rng));
        let middle = (side as f64 - 1.0) / 2.0;
        AffineMap { rows: [[cosine * down, -sine * right], [sine * down, cosine * right]], shift, middle }
    }
}

/// From a pixel of a copy to where it is read in the image.
struct AffineMap {
    rows: [[f64; 2]; 2],
    shift: [f64; 2],
    middle: f64,
}

impl AffineMap {
    /// The value of `pixel` of the copy of `image`, `[side, side]`.
    fn read(&self, image: &[f32], side: usize, pixel: usize) -> f32 {
        let from = [pixel / side, pixel % side].map(|at| at as f64 - self.middle);
        let [y, x] = [0, 1].map(|axis| {
            let [down, right] = self.rows[axis];
            down * from[0] + right * from[1] + self.middle + self.shift[axis]
        });
        let inside = 0.0..side as f64;
        let value = |y: f64, x: f64| match inside.contains(&y) && inside.contains(&x) {
            true => f64::from(image[y as usize * side + x as usize]),
            false => 0.0,
        };
        let (top, left) = (y.floor(), x.floor());
        let (below, beside) = (y - top, x - left);
        let along = |y: f64| value(y, left) * (1.0 - beside) + value(y, left + 1.0) * beside;
        (along(top) * (1.0 - below) + along(top + 1.0) * below) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of 3 × 3.
    fn images() -> Vec<f32> {
        (0..18).map(|n| n as f32).collect()
    }

    fn augmented(augmentation: &Augmentation) -> (Vec<f32>, Vec<u32>) {
        let mut samples = Unscaled { features: Numbers::Single(images()), labels: vec![1, 0], width: 9 };
        augmentation.apply(&mut samples).expect("square images");
        (samples.features.into_single(), samples.labels)
    }

    const STILL: Augmentation = Augmentation { copies: 2, shift: 0.0, rotation: 0.0, stretch: 0.0, seed: 0 };

    #[test]
    fn copies_by_the_identity_are_the_images_again() {
        let (features, labels) = augmented(&STILL);
        assert_eq!(features, images().repeat(3));
        assert_eq!(labels, [1, 0, 1, 0, 1, 0]);
    }

    #[test]
    fn a_shift_by_a_row_and_half_a_column_reads_between_columns_and_zeros_beyond_the_edge() {
        let map = AffineMap { rows: [[1.0, 0.0], [0.0, 1.0]], shift: [1.0, 0.5], middle: 1.0 };
        let image = images()[..9].to_vec();
        let copy: Vec<f32> = (0..9).map(|pixel| map.read(&image, 3, pixel)).collect();
        assert_eq!(copy, [3.5, 4.5, 2.5, 6.5, 7.5, 4.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_quarter_turn_turns() {
        let map = AffineMap { rows: [[0.0, -1.0], [1.0, 0.0]], shift: [0.0; 2], middle: 1.0 };
        let image = images()[..9].to_vec();
        let copy: Vec<f32> = (0..9).map(|pixel| map.read(&image, 3, pixel)).collect();
        assert_eq!(copy, [6.0, 3.0, 0.0, 7.0, 4.0, 1.0, 8.0, 5.0, 2.0]);
    }

    #[test]
    fn the_seed_decides_the_copies_and_leaves_the_images() {
        let of = |seed| augmented(&Augmentation { copies: 1, seed, ..Augmentation::default() }).0;
        assert_eq!(of(3), of(3));
        assert_ne!(of(3), of(4));
        assert_eq!(of(3)[..18], images());
    }

    #[test]
    fn samples_that_are_no_square_images_are_refused() {
        let features = Numbers::Single(vec![0.0; 10]);
        let mut samples = Unscaled { features, labels: vec![0], width: 10 };
        let error = STILL.apply(&mut samples).expect_err("ten features").to_string();
        assert!(error.starts_with("dataset.augmentation: ") && error.contains("10 features"), "{error}");
    }
}
