//! Tables and laws of prices.

use super::*;

#[test]
fn the_shipped_list_is_read_whole() {
    let fault = Catalogue::parse(Catalogue::TEXT).err();
    assert_eq!(fault, None);
}
