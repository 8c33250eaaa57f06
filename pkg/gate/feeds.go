// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"github.com/ocigate/ocigate/pkg/feed"
	"github.com/ocigate/ocigate/pkg/policy"
)

// readFeeds reads the feeds of the policy while the image is examined. A panic of a
// parser reaches the caller, where Check turns it into a verdict.
func readFeeds(req Request) func() *feed.Set {
	var set *feed.Set
	var panicked any
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { panicked = recover() }()
		feeds := req.Policy.Feeds
		files := feed.Files{KEV: feedFile(feeds.KEV), EPSS: feedFile(feeds.EPSS), EOL: feedFile(feeds.EOL)}
		set = feed.Read(files, req.FirstSeen, req.FirstSeenFile)
	}()
	return func() *feed.Set {
		<-done
		if panicked != nil {
			panic(panicked)
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
