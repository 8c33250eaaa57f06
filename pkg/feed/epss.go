// SPDX-License-Identifier: Apache-2.0

package feed

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// scores are exploit prediction scores.
type scores struct {
	// Updated is the day of the scores; nil where they do not say.
	Updated *time.Time
	scores  map[string]float64
}

// parseEPSS reads FIRST's CSV, which may be packed with gzip.
func parseEPSS(data []byte) (*scores, error) {
	data, err := plain(data)
	if err != nil {
		return nil, err
	}
	text := string(data)
	e := &scores{scores: make(map[string]float64, len(text)/40)}
	line, number := "", 0
	next := func() bool {
		if text == "" {
			return false
		}
		line, text, _ = strings.Cut(text, "\n")
		line = strings.TrimSuffix(line, "\r")
		number++
		return true
	}
	for next() && strings.HasPrefix(line, "#") {
		if err := e.comment(line); err != nil {
			return nil, err
		}
	}
	if line != "cve,epss,percentile" {
		return nil, errors.New("it does not begin with the columns cve,epss,percentile")
	}
	for next() {
		if line == "" && text == "" {
			break
		}
		id, rest, _ := strings.Cut(line, ",")
		score, _, ok := strings.Cut(rest, ",")
		n, err := strconv.ParseFloat(score, 64)
		if !ok || !isCVE(id) || err != nil || !(n >= 0 && n <= 1) {
			return nil, fmt.Errorf("line %d is not a CVE, its score from 0 to 1 and its percentile", number)
		}
		e.scores[id] = max(n, e.scores[id])
	}
	if len(e.scores) == 0 {
		return nil, errors.New("it lists no scores")
	}
	return e, nil
}

// comment reads "#model_version:v2025.03.14,score_date:2025-08-25T12:55:00Z".
func (e *scores) comment(line string) error {
	_, after, ok := strings.Cut(line, "score_date:")
	if !ok {
		return nil
	}
	date, _, _ := strings.Cut(after, ",")
	t, ok := moment(strings.TrimSpace(date))
	if !ok {
		return errors.New("its score_date is no time")
	}
	e.Updated = &t
	return nil
}

// size is the number of scores.
func (e *scores) size() int { return len(e.scores) }

// of is the highest score of a finding and its aliases; nil for none.
func (e *scores) of(f evidence.Finding) *float64 {
	var score *float64
	for _, id := range ids(f) {
		if n, ok := e.scores[id]; ok && (score == nil || n > *score) {
			score = &n
		}
	}
	return score
}
