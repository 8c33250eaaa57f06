// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// cycles hold until when releases of operating systems are maintained.
type cycles struct {
	cycles map[string]map[string]end
	n      int
}

// end is the end of a release: a day, or only whether it is past.
type end struct {
	date time.Time
	past bool
}

// parseEOL reads a JSON object of endoflife.date's cycles by product, which may be
// packed with gzip: {"alpine-linux": [{"cycle": "3.20", "eol": "2026-04-01"}]}. It
// has no date of its own.
func parseEOL(data []byte) (*cycles, error) {
	data, err := plain(data)
	if err != nil {
		return nil, err
	}
	var doc map[string][]struct {
		Cycle        json.RawMessage `json:"cycle"`
		ReleaseCycle json.RawMessage `json:"releaseCycle"`
		EOL          json.RawMessage `json:"eol"`
	}
	if err := decode(data, &doc, false); err != nil {
		return nil, err
	}
	e := &cycles{cycles: map[string]map[string]end{}}
	for product, cycles := range doc {
		e.cycles[product] = map[string]end{}
		for _, c := range cycles {
			name := word(c.Cycle)
			if name == "" {
				name = word(c.ReleaseCycle)
			}
			if name == "" {
				return nil, fmt.Errorf("a cycle of %q has no name", product)
			}
			end, ok := parseEnd(word(c.EOL))
			if !ok {
				return nil, fmt.Errorf("eol of cycle %q of %q is neither a day nor true or false", name, product)
			}
			e.cycles[product][name] = end
			e.n++
		}
	}
	if e.n == 0 {
		return nil, errors.New("it lists no releases")
	}
	return e, nil
}

// word is a JSON string, number or truth value as text.
func word(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	return strings.TrimSpace(string(raw))
}

func parseEnd(s string) (end, bool) {
	switch strings.ToLower(s) {
	case "true":
		return end{past: true}, true
	case "false":
		return end{}, true
	}
	t, err := time.Parse(time.DateOnly, s)
	// To the end of the day, as in Trivy's tables.
	return end{date: t.Add(24*time.Hour - time.Second)}, err == nil && sane(t)
}

// size is the number of releases.
func (e *cycles) size() int { return e.n }

// apply writes into os what is known of its release. Of two dates the earlier counts.
func (e *cycles) apply(os *evidence.OSFacts, source string, at time.Time) {
	end, ok := e.find(os.Family, os.Release)
	switch {
	case !ok:
	case end.past:
		os.EndOfLife, os.EndOfLifeSource = true, source
	case end.date.IsZero():
		if os.EndOfLifeDate == nil && !os.EndOfLife {
			os.Maintained, os.EndOfLifeSource = true, source
		}
	case os.EndOfLifeDate == nil && !os.EndOfLife, os.EndOfLifeDate != nil && end.date.Before(*os.EndOfLifeDate):
		os.EndOfLifeDate, os.EndOfLifeSource, os.Maintained = &end.date, source, false
		os.EndOfLife = os.EndOfLife || !at.Before(end.date)
	}
}

// find looks for the release by its full number, then by fewer parts of it.
func (e *cycles) find(family, release string) (end, bool) {
	if fields := strings.Fields(release); len(fields) > 0 {
		release = fields[0] // "2 (Karoo)", "22.04 LTS"
	}
	for _, product := range products(family) {
		for cycle := release; cycle != ""; {
			if end, ok := e.cycles[product][cycle]; ok {
				return end, true
			}
			i := strings.LastIndexByte(cycle, '.')
			if i < 0 {
				break
			}
			cycle = cycle[:i]
		}
	}
	return end{}, false
}

// products are endoflife.date's names of a distribution as Trivy calls it.
func products(family string) []string {
	switch family {
	case "alpine":
		return []string{"alpine-linux", "alpine"}
	case "alma":
		return []string{"almalinux"}
	case "rocky":
		return []string{"rocky-linux"}
	case "amazon":
		return []string{"amazon-linux"}
	case "redhat":
		return []string{"rhel"}
	case "oracle":
		return []string{"oracle-linux"}
	case "opensuse", "opensuse-leap":
		return []string{"opensuse"}
	case "azurelinux":
		return []string{"azure-linux", "azurelinux"}
	default:
		return []string{family}
	}
}
