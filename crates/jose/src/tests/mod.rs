//! Tests of the crate at its public boundary, by data tables; vectors written by others are in [`vectors`].

mod support;

use crate::*;
use support::*;

#[test]
fn jws_every_algorithm_signs_what_its_own_key_verifies() {
    for algorithm in Algorithm::ALL {
        let key = key(algorithm);
        let text = key.sign_compact("at+jwt", br#"{"sub":"alice"}"#).unwrap();
        let verified = Compact::parse(&text).unwrap().verify(key.verifying_key()).unwrap();
        assert_eq!(verified.payload(), br#"{"sub":"alice"}"#);
        assert!(verified.header().typ_is("at+jwt"));
        assert_eq!(verified.header().kid(), Some(key.kid()));
        assert_eq!(verified.claims().unwrap().string("sub"), Ok(Some("alice")));
    }
}
