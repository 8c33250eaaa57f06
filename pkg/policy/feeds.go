// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// Feeds are the files that findings are annotated from.
type Feeds struct {
	KEV  *Feed `json:",omitempty"`
	EPSS *Feed `json:",omitempty"`
	VEX  []VEX `json:",omitempty"`
	// EOL gives end-of-life dates of operating systems. Its MaxAge is 0.
	EOL *Feed `json:",omitempty"`
}

// Feed is one file.
type Feed struct {
	File *File
	// MaxAge is the greatest age of its content at the effective time; 0 is any.
	MaxAge time.Duration
}

func (p *parser) feedsKey() key {
	feed := func(name, about, hint string, to **Feed) key {
		f := &Feed{}
		keys := []key{p.fileKey("file", "The file, beneath the policy's directory.", &f.File)}
		if name == "eol" {
			// An end-of-life rule needs no feed: one that is added below could only make
			// known what was not, in favour of the image.
			keys[0].tighten = nil
		} else {
			keys = append(keys, p.durationKey("max-age", "The greatest age of its content by the content's own date; default any.", &f.MaxAge, lower))
		}
		k := into(p.mappingKey(name, about, hint, keys), to, f)
		read := k.read
		k.read = func(v value) {
			read(v)
			// A document that another one completes may name the age alone.
			p.checks = append(p.checks, func() {
				if v.node.Kind == yaml.MappingNode && !mentions(v.node, "file", names(keys)) {
					p.report(v.at, v.path, "", `required key "file" is missing%s`, inPath(v.path))
				}
			})
		}
		return k
	}
	return p.mappingKey("feeds", "Files that findings are annotated from.", "write {kev: {file: kev.json, max-age: 14d}}", []key{
		feed("kev", "CISA's catalogue of known exploited vulnerabilities, as JSON or JSON.gz.", "write {file: kev.json, max-age: 14d}", &p.policy.Feeds.KEV),
		feed("epss", "FIRST's exploit prediction scores, as CSV or CSV.gz.", "write {file: epss.csv.gz, max-age: 14d}", &p.policy.Feeds.EPSS),
		feed("eol", "End-of-life dates of operating systems, as endoflife.date gives them: a JSON object of cycles by product.", "write {file: eol.json}", &p.policy.Feeds.EOL),
		p.vexKey(),
	})
}

// namedFile records a file that is to be read.
func (p *parser) namedFile(v value, path string) *File {
	d := p.source(v.node)
	f := &File{Path: path, Source: d.Source, Level: d.level, position: v.at, document: d}
	p.files = append(p.files, f)
	return f
}
