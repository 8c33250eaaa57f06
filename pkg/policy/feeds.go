// SPDX-License-Identifier: Apache-2.0

package policy

import "time"

// Feeds are the files that findings are annotated from.
type Feeds struct {
	KEV  *Feed `json:",omitempty"`
	EPSS *Feed `json:",omitempty"`
	VEX  []VEX `json:",omitempty"`
}

// Feed is one file.
type Feed struct {
	File *File
	// MaxAge is the greatest age of its content at the effective time; 0 is any.
	MaxAge time.Duration
}

func (p *parser) feedsKey() key {
	feed := func(name, about string, into **Feed) key {
		f := &Feed{}
		k := p.mappingKey(name, about, "write {file: "+name+".json, max-age: 14d}", []key{
			p.fileKey("file", "The file, beneath the policy's directory.", &f.File).must(),
			p.durationKey("max-age", "The greatest age of its content; default any.", &f.MaxAge, lower),
		})
		read := k.read
		k.read = func(v value) { *into = f; read(v) }
		return k
	}
	return p.mappingKey("feeds", "Files that findings are annotated from.", "write {kev: {file: kev.json, max-age: 14d}}", []key{
		feed("kev", "CISA's catalogue of known exploited vulnerabilities, as JSON.", &p.policy.Feeds.KEV),
		feed("epss", "FIRST's exploit prediction scores, as CSV or CSV.gz.", &p.policy.Feeds.EPSS),
		p.vexKey(),
	})
}

// named records a file that is to be read.
func (p *parser) namedFile(v value, path string) *File {
	d := p.source(v.node)
	f := &File{Path: path, Source: d.Source, Level: d.level, position: v.at, document: d}
	p.files = append(p.files, f)
	return f
}
