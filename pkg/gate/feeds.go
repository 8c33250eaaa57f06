// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"github.com/ocigate/ocigate/pkg/feed"
	"github.com/ocigate/ocigate/pkg/policy"
)

// readFeeds reads the feeds of the policy while the image is examined.
func readFeeds(req Request) func() *feed.Set {
	done := make(chan *feed.Set, 1)
	go func() {
		feeds := req.Policy.Feeds
		files := feed.Files{KEV: feedFile(feeds.KEV), EPSS: feedFile(feeds.EPSS), EOL: feedFile(feeds.EOL)}
		done <- feed.Read(files, req.FirstSeen, req.FirstSeenFile)
	}()
	var set *feed.Set
	return func() *feed.Set {
		if set == nil {
			set = <-done
		}
		return set
	}
}

func feedFile(f *policy.Feed) *feed.File {
	if f == nil || f.File == nil {
		return nil
	}
	return &feed.File{Source: f.File.Path, Digest: f.File.Digest, Data: f.File.Data}
}
