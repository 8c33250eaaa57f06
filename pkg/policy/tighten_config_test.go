// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"testing"

	"github.com/ocigate/ocigate/pkg/policy"
)

// TestTightenConfig: what a policy may say below an enforced one, key by key.
func TestTightenConfig(t *testing.T) {
	for _, tt := range []struct {
		group, enforced, mine string
		ok                    bool
	}{
		{"config", "user: non-root", "user: numeric-non-root", true},
		{"config", "user: numeric-non-root", "user: non-root", false},
		{"config", "onbuild: forbidden", "user: non-root", true},
		{"config", "onbuild: forbidden", "env-secrets: forbidden", true},
		{"config", "ports: {min: 1024}", "ports: {min: 2000}", true},
		{"config", "ports: {min: 1024}", "ports: {min: 80}", false},
		{"config", "ports: {max: 9000}", "ports: {max: 9001}", false},
		{"config", "ports: {max: 9000}", "ports: {max: 8999, forbidden: [22]}", true},
		{"config", "ports: {allowed: [80, 443]}", "ports: {allowed: [443]}", true},
		{"config", "ports: {allowed: [80, 443]}", "ports: {allowed: [443, 22]}", false},
		{"config", "ports: {forbidden: [22]}", "ports: {forbidden: [22, 23]}", true},
		{"config", "ports: {forbidden: [22]}", "ports: {forbidden: [23]}", false},
		{"config", "healthcheck: required", "healthcheck: forbidden", false},
		{"config", "volumes: {allowed: [/data]}", "volumes: {allowed: [/**]}", false},
		{"config", "volumes: {forbidden: [/etc]}", "volumes: {forbidden: [/etc, /usr]}", true},
		{"config", "labels: {required: [a]}", "labels: {required: [a, b], values: {c: x}}", true},
		{"config", "labels: {required: [a]}", "labels: {required: [b]}", false},
		{"config", "labels: {values: {a: x}}", "labels: {values: {b: y}}", true},
		{"config", "labels: {values: {a: x}}", "labels: {values: {a: \".*\"}}", false},
		{"config", "env: {forbidden: [\"LD_*\"]}", "env: {forbidden: [X]}", false},
		{"config", "history: {forbidden: [ADD]}", "history: {forbidden: [ADD, curl]}", true},
		{"config", "history: {forbidden: [ADD]}", "history: {forbidden: [curl]}", false},
		{"config", "history: {forbidden: [ADD]}", "history: {forbidden: [ADD], accept: [ADD]}", false},
		{"config", "history: {forbidden: [ADD], accept: [a, b]}", "history: {forbidden: [ADD], accept: [b]}", true},
		{"config", "architectures: [amd64, arm64]", "architectures: [amd64]", true},
		{"config", "architectures: [amd64]", "architectures: [amd64, arm64]", false},
		{"config", "created: {max-age: 90d}", "created: {max-age: 30d}", true},
		{"config", "created: {max-age: 90d}", "created: {max-age: 91d}", false},
		{"config", "created: {max-age: 90d}", "created: {max-age: 90d, reproducible: accept}", false},
		{"config", "created: {reproducible: accept}", "created: {reproducible: refuse}", true},
		{"runtime", "capabilities: [CHOWN, KILL]", "capabilities: [KILL]", true},
		{"runtime", "capabilities: [CHOWN, KILL]", "capabilities: none", true},
		{"runtime", "capabilities: [CHOWN]", "capabilities: [KILL]", false},
		{"runtime", "capabilities: none", "capabilities: [CHOWN]", false},
		{"runtime", "non-root: required", "read-only-root: required", true},
	} {
		document := func(rule string) string {
			return "version: 1\nname: x\nrules:\n  " + tt.group + ": [{id: a, " + rule + "}]\n"
		}
		l := loader{"enforced": document(tt.enforced), "mine": document(tt.mine)}
		_, err := policy.Load(t.Context(), policy.Request{Policy: "mine", Enforce: []policy.Enforced{{Reference: "enforced"}}}, l)
		if (err == nil) != tt.ok {
			t.Errorf("%s below %s: %v", tt.mine, tt.enforced, err)
		}
	}
}
