// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"fmt"
	"strings"
)

// Severity rates a finding. The values are ordered from SeverityUnknown to
// SeverityCritical, but unknown is a value of its own and not "below low":
// code that asks for "high and above" must also say what it does with unknown.
type Severity uint8

// The severities that Trivy's database uses.
const (
	SeverityUnknown Severity = iota
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityCritical
)

var severityNames = [...]string{"unknown", "low", "medium", "high", "critical"}

// Severities lists all severities, most severe first and unknown last, which is
// the order of reports.
func Severities() []Severity {
	return []Severity{SeverityCritical, SeverityHigh, SeverityMedium, SeverityLow, SeverityUnknown}
}

// ParseSeverity reads a severity in any letter case. The empty string is
// SeverityUnknown: a source that says nothing says "unknown".
func ParseSeverity(s string) (Severity, error) {
	if s == "" {
		return SeverityUnknown, nil
	}
	for i, name := range severityNames {
		if strings.EqualFold(s, name) {
			return Severity(i), nil
		}
	}
	return SeverityUnknown, fmt.Errorf("severity %q is none of critical, high, medium, low, unknown", s)
}

// String returns the lower-case name.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return fmt.Sprintf("severity(%d)", uint8(s))
}

// MarshalText implements encoding.TextMarshaler.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (s *Severity) UnmarshalText(b []byte) error {
	v, err := ParseSeverity(string(b))
	if err != nil {
		return err
	}
	*s = v
	return nil
}
