// SPDX-License-Identifier: Apache-2.0

package evidence

import "encoding/json"

// MaxShownPredicate is the greatest size of a predicate in JSON forms, in bytes of JSON.
const MaxShownPredicate = 64 << 10

// maxPredicateDepth is how deep a predicate may be nested to be shown.
const maxPredicateDepth = 200

// ShownPredicate is the predicate as JSON forms hold it: nil where it is larger than
// MaxShownPredicate, nested too deeply, or has no JSON form. Who reads such a form
// again cannot decide about its content.
func ShownPredicate(p any) any {
	budget := MaxShownPredicate
	if p == nil || !fits(p, &budget, maxPredicateDepth) {
		return nil
	}
	if b, err := json.Marshal(p); err != nil || len(b) > MaxShownPredicate {
		return nil
	}
	return p
}

// fits says whether JSON values may fit: it counts no more than what they take.
func fits(v any, budget *int, depth int) bool {
	if depth == 0 {
		return false
	}
	switch x := v.(type) {
	case string:
		*budget -= len(x) + 2
	case map[string]any:
		for k, e := range x {
			if *budget -= len(k) + 4; *budget < 0 || !fits(e, budget, depth-1) {
				return false
			}
		}
	case []any:
		for _, e := range x {
			if *budget--; *budget < 0 || !fits(e, budget, depth-1) {
				return false
			}
		}
	}
	return *budget >= 0
}
