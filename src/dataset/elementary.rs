//! Sine, cosine and logarithm as NumPy computes them.
//!
//! NumPy takes float64 `sin`, `cos` and `log` from the platform's C library. No two libraries agree in the
//! last bit of every value, so that even scikit-learn's float64 data differ slightly from one system to
//! the next; the reference of this crate is Linux with glibc. There the standard library calls the very
//! same functions. Elsewhere the pure Rust `libm` stands in: it is within one unit in the last place, and
//! rounded to the f32 features that networks see, the difference vanishes (a test compares whole data
//! sets).

/// The three functions that a generator needs.
#[derive(Clone, Copy)]
pub(super) struct Elementary {
    pub sin: fn(f64) -> f64,
    pub cos: fn(f64) -> f64,
    pub ln: fn(f64) -> f64,
}

/// The same on every platform.
const PORTABLE: Elementary = Elementary { sin: libm::sin, cos: libm::cos, ln: libm::log };

/// glibc's, which are NumPy's.
const GLIBC: Elementary = Elementary { sin: f64::sin, cos: f64::cos, ln: f64::ln };

impl Elementary {
    /// NumPy's own functions where they can be had, else the portable ones.
    pub fn numpy() -> Self {
        if cfg!(all(target_os = "linux", target_env = "gnu")) { GLIBC } else { PORTABLE }
    }

    /// The functions of platforms other than Linux with glibc.
    #[cfg(test)]
    pub fn portable() -> Self {
        PORTABLE
    }
}
