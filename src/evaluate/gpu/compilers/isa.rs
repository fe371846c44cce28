//! What AMD's assembly executes: the share of multiply-adds in hot loops.

use std::collections::BTreeMap;

/// A loop with fewer multiply-adds than this is not hot.
const HOT: usize = 16;

/// Vector instructions, and multiply-adds among them.
#[derive(Clone, Copy, Debug, Default)]
struct Mix {
    vector: usize,
    multiply_adds: usize,
}

impl Mix {
    fn add(&mut self, instruction: &str) {
        let name = instruction.split_whitespace().next().unwrap_or_default();
        if !name.starts_with("v_") {
            return;
        }
        self.vector += 1;
        let is_multiply_add = |name: &str| {
            let name = name.trim_start_matches("v_dual_").trim_start_matches("v_");
            ["fma_f32", "fmac_f32", "fmaak_f32", "fmamk_f32", "mad_f32", "mac_f32"]
                .iter()
                .any(|prefix| name.starts_with(prefix))
        };
        // An instruction of RDNA3 may be two.
        self.multiply_adds += instruction
            .split("::")
            .filter_map(|half| half.split_whitespace().next())
            .filter(|name| is_multiply_add(name))
            .count();
    }
}

/// The blocks of an assembly, each with its name.
fn blocks(assembly: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in assembly.lines() {
        let code = line.split(';').next().unwrap_or_default().trim();
        if let Some(name) = code.strip_suffix(':').filter(|name| name.starts_with("BB")) {
            blocks.push((name, Vec::new()));
        } else if let Some((_, instructions)) = blocks.last_mut().filter(|_| !code.is_empty()) {
            instructions.push(code);
        }
    }
    blocks
}

/// The first and last block of each loop: what a branch goes back to, and the furthest that does.
fn loops(blocks: &[(&str, Vec<&str>)]) -> BTreeMap<usize, usize> {
    let index: BTreeMap<&str, usize> = blocks.iter().enumerate().map(|(n, (name, _))| (*name, n)).collect();
    let mut loops = BTreeMap::new();
    for (last, (_, instructions)) in blocks.iter().enumerate() {
        for instruction in instructions {
            let mut parts = instruction.split_whitespace();
            let is_branch = parts.next().is_some_and(|name| name.contains("branch"));
            let target = parts.next().and_then(|name| index.get(name)).filter(|first| **first <= last);
            if let Some(&first) = target.filter(|_| is_branch) {
                let end = loops.entry(first).or_insert(last);
                *end = last.max(*end);
            }
        }
    }
    loops
}

/// The share, in per cent, of multiply-adds among the vector instructions of the hot loop that has the smallest; of
/// the whole kernel where no loop is hot. Instructions of a loop inside count for that one only.
pub fn share(assembly: &str) -> usize {
    let blocks = blocks(assembly);
    let loops = loops(&blocks);
    let mix = |range: std::ops::RangeInclusive<usize>, inner: &[(usize, usize)]| {
        let mut mix = Mix::default();
        let own = range.filter(|block| !inner.iter().any(|(first, last)| (first..=last).contains(&block)));
        own.for_each(|block| blocks[block].1.iter().for_each(|instruction| mix.add(instruction)));
        mix
    };
    let per_cent = |mix: Mix| 100 * mix.multiply_adds / mix.vector.max(1);
    let hot = loops.iter().filter_map(|(&first, &last)| {
        let is_inner = |other: &(usize, usize)| other.0 > first && other.1 <= last;
        let inner: Vec<(usize, usize)> = loops.iter().map(|(a, b)| (*a, *b)).filter(is_inner).collect();
        Some(mix(first..=last, &inner)).filter(|mix| mix.multiply_adds >= HOT).map(per_cent)
    });
    hot.min().unwrap_or_else(|| per_cent(mix(0..=blocks.len().saturating_sub(1), &[])))
}

#[test]
fn instructions_of_a_loop_inside_count_for_that_one_only() {
    let multiply_adds = "\tv_fmac_f32 v0, v1, v2 ; 1234\n".repeat(HOT);
    let halves = "\tv_dual_fmac_f32 v0, v1, v2 :: v_dual_mov_b32 v3, 0\n".repeat(HOT);
    let text = format!(
        "BB0:\n\ts_mov_b32 s0, 0\nBB1:\n{halves}\tv_mov_b32 v0, 0\nBB2:\n{multiply_adds}\ts_cbranch_scc0 BB2\n\
         BB3:\n\tv_mov_b32 v0, 0\n\ts_cbranch_scc0 BB1\nBB4:\n\ts_endpgm\n"
    );
    assert_eq!(share(&text), 100 * HOT / (HOT + 2));
    assert_eq!(share(&text.replace("scc0 BB1", "scc0 BB4")), 100);
    assert_eq!(share(&text.replace("scc0 BB", "scc0 BB4")), 100 * 2 * HOT / (2 * HOT + 2));
}
