// SPDX-License-Identifier: Apache-2.0

package waiverfile

import (
	"fmt"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/vex"
)

// openVEX makes waivers of the statements that something is not affected. A policy
// can also name the document itself (feeds.vex), which loses nothing.
func (in *importer) openVEX(data []byte) error {
	d, err := vex.Parse(data, vex.OpenVEX)
	if err != nil {
		return err
	}
	last := map[string]int{}
	key := func(s vex.Statement, t vex.Target) string { return fmt.Sprint(s.IDs, t) }
	for i, s := range d.Statements {
		for _, t := range s.Targets {
			if j, ok := last[key(s, t)]; !ok || !s.Time.Before(d.Statements[j].Time) {
				last[key(s, t)] = i
			}
		}
	}
	for i, s := range d.Statements {
		place := fmt.Sprintf("statement %d", i+1)
		finding := ""
		for _, id := range s.IDs {
			if id != "" && finding == "" {
				finding = id
			}
		}
		switch {
		case s.Status != vex.NotAffected:
			in.lose(place, finding, "the status %s accepts nothing", s.Status)
		case len(s.Targets) == 0:
			in.lose(place, finding, "it names no product")
		default:
			for _, t := range s.Targets {
				if last[key(s, t)] != i {
					in.lose(place, finding, "a later statement replaces it")
					continue
				}
				in.target(place, policy.Waiver{Finding: finding, Reason: s.Justification}, t)
			}
		}
	}
	return nil
}

func (in *importer) target(place string, w policy.Waiver, t vex.Target) {
	if len(t.Product) == 0 {
		in.lose(place, w.Finding, "the product has no package URL")
		return
	}
	p := t.Product[0]
	if p.Type != packageurl.TypeOCI {
		if t.Narrowed {
			in.lose(place, w.Finding, "it is about a part of %s, which may come from elsewhere, too", p.Name)
			return
		}
		in.pkg(place, w, p)
		return
	}
	url := strings.TrimSuffix(strings.TrimPrefix(p.Qualifiers.Map()["repository_url"], "https://"), "/")
	if url == "" {
		in.lose(place, w.Finding, "the image %s has no repository_url", p.Name)
		return
	}
	if url[strings.LastIndexByte(url, '/')+1:] != p.Name {
		url += "/" + p.Name
	}
	if p.Version != "" || len(p.Qualifiers) > 1 {
		in.keep(place, w.Finding, "it holds for every build of %s until its end", url)
	}
	w.Images = []string{url}
	switch {
	case !t.Narrowed:
		in.add(place, w, p.Name)
	case len(t.Subcomponents) == 0:
		in.lose(place, w.Finding, "no subcomponent has a package URL")
	default:
		for _, c := range t.Subcomponents {
			in.pkg(place, w, c)
		}
	}
}

func (in *importer) pkg(place string, w policy.Waiver, p packageurl.PackageURL) {
	pkg, ok := in.anyVersion(place, w.Finding, p.ToString())
	if !ok {
		return
	}
	w.Package = pkg
	in.add(place, w, p.Name)
}
