//! Which adapter.
use super::cpu::CpuEvaluator;
use super::*;
use crate::dataset::Dataset;
use crate::network::Architecture;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct AdapterChoice(String);
impl std::str::FromStr for AdapterChoice {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        Ok(Self(s.into()))
    }
}
pub struct Device {
    arithmetic: Arithmetic,
    info: AdapterInfo,
}
impl Device {
    pub fn open(_: &AdapterChoice, arithmetic: Option<Arithmetic>) -> Result<Self, EvaluateError> {
        Ok(Self {
            arithmetic: arithmetic.unwrap_or(Arithmetic::Fused),
            info: AdapterInfo {
                name: "cpu".into(),
                backend: "cpu".into(),
                driver: "".into(),
                kind: "cpu".into(),
            },
        })
    }
    pub fn notice(&self) -> String {
        String::new()
    }
    pub fn adapter(&self) -> &AdapterInfo {
        &self.info
    }
    pub fn arithmetic(&self) -> Arithmetic {
        self.arithmetic
    }
    pub fn evaluator(
        &self,
        a: &Architecture,
        n: &[Network],
        d: Arc<Dataset>,
    ) -> Result<Box<dyn Evaluator>, EvaluateError> {
        Ok(Box::new(CpuEvaluator::new(a, n, d, self.arithmetic)?))
    }
}
