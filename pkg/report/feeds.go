// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/wording"
)

// feeds lists the files that findings were annotated from.
func (p *page) feeds(f evidence.Feeds) {
	for _, e := range []struct {
		name  string
		state *evidence.FeedState
	}{{"kev", f.KEV}, {"epss", f.EPSS}, {"eol", f.EOL}, {"first seen", f.FirstSeen}} {
		if e.state != nil {
			p.field(e.name, feedLine(*e.state))
		}
	}
}

func feedLine(s evidence.FeedState) string {
	if s.Problem != "" {
		return clean(s.Source) + ": cannot be used: " + clean(s.Problem)
	}
	text := fmt.Sprintf("%s, %d entries", clean(s.Source), s.Entries)
	if s.Updated != nil {
		text += ", of " + wording.Time(*s.Updated)
	}
	return text
}
