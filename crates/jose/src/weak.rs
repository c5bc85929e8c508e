//! Public keys that are well-formed and still must not be trusted.

/// The odd primes of the primorial that the broken generator of CVE-2017-15361 built its primes from.
///
/// It made primes of the form `k * M + (65537^a mod M)`, where `M` is the product of the first primes (39 of them
/// for the shortest keys, more for longer ones). So a modulus is a power of 65537 modulo each of these.
const ROCA_PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// Whether an RSA modulus has the fingerprint of CVE-2017-15361 (ROCA).
///
/// A sound modulus has it by chance about once in 2^27 (Nemec et al., "The Return of Coppersmith's Attack", §3).
pub(crate) fn is_roca_modulus(modulus: &[u8]) -> bool {
    ROCA_PRIMES.iter().all(|&prime| is_power_of_65537(remainder(modulus, prime), prime))
}

fn remainder(modulus: &[u8], prime: u32) -> u32 {
    modulus.iter().fold(0, |rest, &byte| (rest << 8 | u32::from(byte)) % prime)
}

fn is_power_of_65537(residue: u32, prime: u32) -> bool {
    let generator = 65_537 % prime;
    let mut power = 1;
    // The powers repeat after fewer than `prime` steps.
    for _ in 0..prime {
        if power == residue {
            return true;
        }
        power = power * generator % prime;
    }
    false
}

/// The y coordinates of all points of small order on edwards25519, without the sign bit: 0 has order 4, 1 is the
/// neutral element, p - 1 has order 2, the last two have order 8.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [0; 32],
    {
        let mut one = [0; 32];
        one[0] = 1;
        one
    },
    {
        let mut minus_one = [0xff; 32];
        minus_one[0] = 0xec;
        minus_one[31] = 0x7f;
        minus_one
    },
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

/// Whether an Ed25519 public key has small order or a y coordinate that is not reduced (RFC 8032 §5.1.3).
///
/// Under a key of small order one signature fits many messages, and aws-lc-rs does not refuse such keys itself.
pub(crate) fn is_weak_ed25519_point(point: &[u8; 32]) -> bool {
    let mut y = *point;
    y[31] &= 0x7f;
    SMALL_ORDER_Y.contains(&y) || !is_reduced(&y)
}

/// Whether a little-endian number of 255 bits is below p = 2^255 - 19.
fn is_reduced(y: &[u8; 32]) -> bool {
    y[31] != 0x7f || y[1..31].iter().any(|&byte| byte != 0xff) || y[0] < 0xed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `multiplier * M * 256^zeros + residue`, big-endian, where `M` is the product of the fingerprint's primes.
    fn modulus_like_roca(residue: u128, zeros: usize) -> Vec<u8> {
        let mut digits: Vec<u32> = vec![1];
        for prime in [2].into_iter().chain(ROCA_PRIMES) {
            let mut carry = 0;
            for digit in digits.iter_mut().rev() {
                let product = *digit * prime + carry;
                *digit = product & 0xff;
                carry = product >> 8;
            }
            if carry > 0 {
                digits.insert(0, carry);
            }
        }
        let mut bytes: Vec<u8> = digits.into_iter().map(|digit| digit as u8).collect();
        bytes.extend(vec![0; zeros]);
        let tail = bytes.len() - 16;
        bytes[tail..].copy_from_slice(&residue.to_be_bytes());
        bytes
    }

    #[test]
    fn jws_14_moduli_with_the_roca_fingerprint_are_found() {
        for power in 0..7 {
            let residue = 65_537_u128.pow(power);
            assert!(is_roca_modulus(&modulus_like_roca(residue, 220)), "65537^{power}");
            assert!(!is_roca_modulus(&modulus_like_roca(residue + 2, 220)), "65537^{power} + 2");
        }
    }

    #[test]
    fn jws_17_points_of_small_order_are_found_with_either_sign() {
        for y in SMALL_ORDER_Y {
            assert!(is_weak_ed25519_point(&y));
            let mut negated = y;
            negated[31] |= 0x80;
            assert!(is_weak_ed25519_point(&negated));
        }
    }

    #[test]
    fn jws_17_points_that_are_not_reduced_are_found() {
        for first in 0xed..=0xff {
            let mut y = [0xff; 32];
            y[0] = first;
            assert!(is_weak_ed25519_point(&y));
            y[31] = 0x7f;
            assert!(is_weak_ed25519_point(&y));
        }
        let mut largest_but_one = [0xff; 32];
        largest_but_one[0] = 0xeb;
        assert!(!is_weak_ed25519_point(&largest_but_one));
    }
}
