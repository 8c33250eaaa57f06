// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// facts are what one layer holds that matters without a parser of Trivy's.
type facts struct {
	// Files counts regular files.
	Files int `json:"files"`
	// Paths are the files of interest with what they are.
	Paths map[string]pathFact `json:"paths,omitempty"`
	// Passwd and Group hold names and ids only, never the password fields.
	Passwd []account `json:"passwd,omitempty"`
	Group  []account `json:"group,omitempty"`
	// OSID is the ID of an os-release file.
	OSID string `json:"osID,omitempty"`
	// Covered are parents of files of interest that this layer makes something else
	// than a directory, with the target of a link: what lower layers hold below them
	// is out of reach, and what is behind a link has another name.
	Covered map[string]string `json:"covered,omitempty"`

	foreign int
}

type pathFact struct {
	Size int64 `json:"size"`
	Link bool  `json:"link,omitempty"`
}

type account struct {
	Name string `json:"name"`
	ID   int64  `json:"id"`
	GID  int64  `json:"gid,omitempty"`
}

func newFacts() facts { return facts{Paths: map[string]pathFact{}, Covered: map[string]string{}} }

// databaseGroups are the package databases that Trivy reads, by package manager.
// A path that ends in "/" is a directory of databases.
var databaseGroups = map[string][]string{
	"apk":  {"lib/apk/db/installed", "usr/lib/apk/db/installed"},
	"dpkg": {"var/lib/dpkg/status"},
	// One file for each package: distroless images.
	"dpkg status.d": {"var/lib/dpkg/status.d/"},
	"rpm": {
		"usr/lib/sysimage/rpm/Packages", "var/lib/rpm/Packages",
		"usr/lib/sysimage/rpm/Packages.db", "var/lib/rpm/Packages.db",
		"usr/lib/sysimage/rpm/rpmdb.sqlite", "var/lib/rpm/rpmdb.sqlite",
		"usr/share/rpm/rpmdb.sqlite", "var/lib/rpmmanifest/container-manifest-2",
	},
}

// foreignDatabases are package databases of distributions that Trivy does not support.
var foreignDatabases = map[string]string{
	"var/lib/pacman/local/": "pacman (Arch Linux)",
	"var/db/pkg/":           "portage (Gentoo)",
	"var/db/xbps/":          "xbps (Void Linux)",
	"var/lib/opkg/":         "opkg (OpenWrt)",
	"usr/lib/opkg/status":   "opkg (OpenWrt)",
	"nix/var/nix/db/":       "nix (NixOS)",
	"var/lib/slackpkg/":     "slackpkg (Slackware)",
	"var/lib/eopkg/":        "eopkg (Solus)",
	"var/lib/swupd/":        "swupd (Clear Linux)",
	"usr/share/clear/":      "swupd (Clear Linux)",
	"gnu/store/":            "guix",
}

// osFiles say that the image has an operating system: release files, and the
// dynamic loader that only a C library brings.
var osFiles = []string{"etc/os-release", "usr/lib/os-release", "etc/alpine-release", "etc/debian_version", "etc/redhat-release", "etc/lsb-release"}

// matchPath says whether name is one of the databases: an entry that ends in "/" matches what is below.
func matchPath(list []string, name string) bool {
	return slices.ContainsFunc(list, func(p string) bool {
		return name == p || strings.HasSuffix(p, "/") && strings.HasPrefix(name, p)
	})
}

func interesting(name string) bool {
	if name == "etc/passwd" || name == "etc/group" || slices.Contains(osFiles, name) || isLoader(name) {
		return true
	}
	for _, list := range databaseGroups {
		if matchPath(list, name) {
			return true
		}
	}
	return foreign(name) != ""
}

func isDatabase(name string) bool {
	for _, list := range databaseGroups {
		if matchPath(list, name) {
			return true
		}
	}
	return false
}

// usualLinks are links that distributions make themselves, to places where their
// files are looked for as well.
var usualLinks = map[string][]string{
	"lib":                  {"usr/lib"},
	"usr/lib/sysimage/rpm": {"usr/share/rpm", "var/lib/rpm"},
	"var/lib/rpm":          {"usr/lib/sysimage/rpm", "usr/share/rpm"},
	"usr/share/rpm":        {"usr/lib/sysimage/rpm", "var/lib/rpm"},
}

// unusualLinks are parents of files of interest that lead where nothing is looked for.
func (m *merged) unusualLinks() []string {
	var out []string
	for p, target := range m.links {
		at := path.Clean("/" + target)
		if !strings.HasPrefix(target, "/") {
			at = path.Join("/", path.Dir(p), target)
		}
		if target == "" || !slices.Contains(usualLinks[p], strings.TrimPrefix(at, "/")) {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

func foreign(name string) string {
	for p, manager := range foreignDatabases {
		if matchPath([]string{p}, name) {
			return manager
		}
	}
	return ""
}

// isLoader matches the dynamic loaders of musl and glibc.
func isLoader(name string) bool {
	dir, base := path.Split(name)
	return (strings.HasPrefix(dir, "lib") || strings.HasPrefix(dir, "usr/lib")) &&
		(strings.HasPrefix(base, "ld-musl-") || strings.HasPrefix(base, "ld-linux")) && strings.Contains(base, ".so")
}

// isParent says whether something of interest lies below name.
func isParent(name string) bool {
	below := func(p string) bool { return strings.HasPrefix(p, name+"/") }
	for _, list := range databaseGroups {
		if slices.ContainsFunc(list, below) {
			return true
		}
	}
	return slices.ContainsFunc(osFiles, below)
}

// maxForeign bounds how many paths of foreign package managers are kept: a nix
// store has hundreds of thousands, of which one is enough to know.
const maxForeign = 100

func (f *facts) collect(ctx context.Context, in *file) error {
	if in.hdr.Typeflag != tar.TypeDir && isParent(in.name) {
		f.Covered[in.name] = in.hdr.Linkname
	}
	if !interesting(in.name) {
		return nil
	}
	regular := in.hdr.Typeflag == tar.TypeReg
	link := in.hdr.Typeflag == tar.TypeSymlink || in.hdr.Typeflag == tar.TypeLink
	if !regular && !link {
		return nil
	}
	if foreign(in.name) != "" {
		if f.foreign++; f.foreign > maxForeign {
			return nil
		}
	}
	f.Paths[in.name] = pathFact{Size: in.hdr.Size, Link: link}
	// The last entry of a name counts, and a link has no content here.
	switch in.name {
	case "etc/passwd":
		f.Passwd = nil
	case "etc/group":
		f.Group = nil
	}
	switch in.name {
	case "etc/passwd", "etc/group", "etc/os-release", "usr/lib/os-release":
	default:
		return nil
	}
	if !regular || in.hdr.Size > 4<<20 {
		return nil
	}
	c, err := in.load(ctx)
	if err != nil {
		return in.cause(err)
	}
	return f.parse(in.name, bytes.NewReader(c.data))
}

func (f *facts) parse(name string, r io.Reader) error {
	br := bufio.NewReader(r)
	for {
		line, err := readLine(br)
		fields := strings.Split(line, ":")
		switch {
		case name == "etc/passwd" && len(fields) >= 4:
			uid, uerr := strconv.ParseInt(fields[2], 10, 64)
			gid, gerr := strconv.ParseInt(fields[3], 10, 64)
			if uerr == nil && gerr == nil {
				f.Passwd = append(f.Passwd, account{fields[0], uid, gid})
			}
		case name == "etc/group" && len(fields) >= 3:
			if gid, err := strconv.ParseInt(fields[2], 10, 64); err == nil {
				f.Group = append(f.Group, account{Name: fields[0], ID: gid})
			}
		case strings.HasPrefix(line, "ID="):
			f.OSID = strings.Trim(line[len("ID="):], `"'`)
		}
		if errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// readLine reads a line of any length but keeps only its first 4 KiB.
func readLine(br *bufio.Reader) (string, error) {
	var b []byte
	for {
		part, err := br.ReadSlice('\n')
		if len(b) < 4096 {
			b = append(b, part[:min(len(part), 4096-len(b))]...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		return strings.TrimRight(string(b), "\r\n"), err
	}
}

// merged is the file system of the whole image, as far as facts know it.
type merged struct {
	paths map[string]pathFact
	// gone are paths that a later layer deleted and none brought back.
	gone map[string]bool
	// links are parents of files of interest that are links, with their targets.
	links  map[string]string
	passwd []account
	group  []account
	osID   string
}

// mergeFacts applies the layers from the base up, whiteouts included.
func mergeFacts(records []*record) merged {
	m := merged{paths: map[string]pathFact{}, gone: map[string]bool{}, links: map[string]string{}}
	for _, r := range records {
		for _, dir := range r.Blob.OpaqueDirs {
			m.remove(strings.TrimSuffix(dir, "/"), true)
		}
		for _, p := range r.Blob.WhiteoutFiles {
			m.remove(p, false)
		}
		for p := range m.links {
			if slices.ContainsFunc(r.Blob.WhiteoutFiles, func(w string) bool { return p == w || strings.HasPrefix(p, w+"/") }) {
				delete(m.links, p)
			}
		}
		for p, target := range r.Facts.Covered {
			m.remove(p, false)
			m.links[p] = target
		}
		for p, fact := range r.Facts.Paths {
			if old := m.paths[p]; old.Size > 0 && fact.Size == 0 && !fact.Link && isDatabase(p) {
				// Emptied is deleted.
				m.gone[p] = true
				delete(m.paths, p)
				continue
			}
			m.paths[p] = fact
			delete(m.gone, p)
			switch p {
			case "etc/passwd":
				m.passwd = r.Facts.Passwd
			case "etc/group":
				m.group = r.Facts.Group
			case "etc/os-release", "usr/lib/os-release":
				if r.Facts.OSID != "" {
					m.osID = r.Facts.OSID
				}
			}
		}
	}
	return m
}

func (m *merged) remove(name string, childrenOnly bool) {
	for p := range m.paths {
		if p == name && !childrenOnly || name == "" || name == "." || strings.HasPrefix(p, name+"/") {
			delete(m.paths, p)
			m.gone[p] = true
			switch p {
			case "etc/passwd":
				m.passwd = nil
			case "etc/group":
				m.group = nil
			}
		}
	}
}

// resolveUser resolves USER as the OCI runtimes do (moby/sys/user): numeric ids as
// they are, names through the image's own /etc/passwd and /etc/group.
func (m *merged) resolveUser(configured string) evidence.User {
	u := evidence.User{Configured: configured}
	name, group, hasGroup := strings.Cut(configured, ":")
	var uid, gid int64
	switch id, err := strconv.ParseInt(name, 10, 32); {
	case name == "":
		u.Reason = "no USER is set: containers run as root"
	case err == nil && id >= 0:
		uid = id
		u.Reason = "numeric"
		if a := find(m.passwd, func(a account) bool { return a.ID == id }); a != nil {
			gid = a.GID
		}
	default:
		a := find(m.passwd, func(a account) bool { return a.Name == name })
		if a == nil {
			u.Reason = m.unresolved("user", name, "etc/passwd")
			return u
		}
		uid, gid = a.ID, a.GID
		u.Reason = "resolved through the image's /etc/passwd"
	}
	u.UID = &uid
	if hasGroup {
		if id, err := strconv.ParseInt(group, 10, 32); err == nil && id >= 0 {
			gid = id
		} else if a := find(m.group, func(a account) bool { return a.Name == group }); a != nil {
			gid = a.ID
		} else {
			u.UID = nil
			u.Reason = m.unresolved("group", group, "etc/group")
			return u
		}
	}
	u.GID = &gid
	return u
}

func (m *merged) unresolved(kind, name, file string) string {
	fact, ok := m.paths[file]
	switch {
	case !ok:
		return "the image has no /" + file + " that could name the " + kind + " " + strconv.Quote(name)
	case fact.Link:
		return "the image's /" + file + " is a link, so the " + kind + " " + strconv.Quote(name) + " cannot be resolved"
	}
	return "the image's /" + file + " does not name the " + kind + " " + strconv.Quote(name)
}

func find(list []account, ok func(account) bool) *account {
	if i := slices.IndexFunc(list, ok); i >= 0 {
		return &list[i]
	}
	return nil
}
