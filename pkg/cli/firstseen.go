// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/feed"
	"github.com/ocigate/ocigate/pkg/gate"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// firstSeenFormat is the output that is no report but data for the next run.
const firstSeenFormat = "first-seen"

// readFirstSeen reads the file of --first-seen. One that is missing or malformed is a
// mistake: a clock that silently begins anew would be none.
func readFirstSeen(path string) (*feed.File, *feed.FirstSeen, error) {
	if path == "" {
		return nil, nil, nil
	}
	const hint = `the first file is {"version": 1, "entries": {}}; --output first-seen=FILE writes the next`
	data, err := readFile(path, maxNamedFile)
	if err != nil {
		return nil, nil, &hinted{fmt.Errorf("--first-seen: %w", err), hint}
	}
	seen, err := feed.ParseFirstSeen(data)
	if err != nil {
		return nil, nil, &hinted{fmt.Errorf("--first-seen %s: %w", path, err), hint}
	}
	return &feed.File{Source: path, Digest: fmt.Sprintf("sha256:%x", sha256.Sum256(data))}, seen, nil
}

// bindFirstSeen gives the output of the updated copy what it is a copy of.
func bindFirstSeen(outs []output, req gate.Request) error {
	for i := range outs {
		if outs[i].format != firstSeenFormat {
			continue
		}
		if req.EffectiveTimeGiven && req.EffectiveTime.After(time.Now()) {
			return &hinted{errors.New("--output first-seen: the effective time is yet to come, and nothing can have been seen then"),
				"leave one of --effective-time and --output first-seen out"}
		}
		outs[i].render = func(w io.Writer, v verdict.Verdict, _ report.Options) error {
			var all []evidence.Evidence
			for _, s := range v.Subjects {
				all = append(all, s.Evidence)
			}
			return req.FirstSeen.With(all, v.EffectiveTime).Write(w)
		}
	}
	return nil
}

func unboundFirstSeen(io.Writer, verdict.Verdict, report.Options) error {
	return errors.New("the first-seen file of this run is not known")
}
