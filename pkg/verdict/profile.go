// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// Profile is the least that a container of an image needs to run, as far as the
// image says: its root file system can be read-only and all capabilities be
// dropped, but for what is listed.
type Profile struct {
	User evidence.User
	// Capabilities are those to add, without "CAP_": NET_BIND_SERVICE.
	Capabilities []Need
	// Writable are the paths that need a writable mount, sorted.
	Writable []Need
	// Escalation is why no-new-privileges cannot be set; empty where it can.
	Escalation []Need
	// Unknown is what the image does not say.
	Unknown []string
}

// Need is something that a container needs, and why.
type Need struct {
	What string
	// Declared is true for what the image declares; else it is likely.
	Declared bool
	Reason   string
}

// ProfileOf derives the profile from the evidence. It says false where the
// configuration is not known.
func ProfileOf(ev evidence.Evidence) (Profile, bool) {
	c := ev.Image.Config
	if c == nil {
		return Profile{}, false
	}
	p := Profile{User: ev.Image.User, Capabilities: portNeeds(c.Ports), Writable: writable(ev)}
	for _, f := range startFiles(ev) {
		why := privilege(f)
		p.Escalation = append(p.Escalation, Need{What: "/" + f.Path, Reason: "the program that is started " + why})
		for _, name := range f.Capabilities {
			p.Capabilities = append(p.Capabilities, Need{What: capabilityName(name), Reason: "the program /" + f.Path + " has it as a file capability"})
		}
	}
	p.Capabilities = distinct(p.Capabilities)
	p.Unknown = unknowns(ev, p)
	return p, true
}

func unknowns(ev evidence.Evidence, p Profile) []string {
	out := []string{"an image does not say where its program writes: other paths may need a writable mount, too"}
	if u := p.User; u.UID == nil {
		out = append(out, "the user is not known: "+cmp.Or(u.Reason, "it could not be resolved"))
	} else if *u.UID == 0 {
		out = append(out, "the image runs as root: a program that changes its user or the owners of files needs the capabilities SETUID, SETGID and CHOWN")
	}
	if ev.Waste == nil || slices.ContainsFunc(ev.Layers, func(l evidence.LayerFacts) bool {
		return l.Verification != evidence.LayerVerified && l.Verification != evidence.LayerOnDaemonsWord
	}) {
		out = append(out, "not every layer was read, so that files with privileges may be missing here")
	}
	return out
}

const (
	// firstUnprivileged is the lowest port that does not need bindService.
	firstUnprivileged = 1024
	bindService       = "NET_BIND_SERVICE"
)

func portNeeds(ports []evidence.Port) []Need {
	var out []Need
	for _, e := range ports {
		if e.First > 0 && e.First < firstUnprivileged {
			out = append(out, Need{What: bindService, Declared: true, Reason: "port " + e.Raw + " is exposed"})
		}
	}
	return out
}

// distinct keeps the first of each.
func distinct(in []Need) []Need {
	var out []Need
	for _, n := range in {
		if !slices.ContainsFunc(out, func(o Need) bool { return o.What == n.What }) {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b Need) int { return cmp.Compare(a.What, b.What) })
	return out
}

// writable lists the declared volumes, and what is likely to be written besides.
// What lies below a volume needs no mount of its own.
func writable(ev evidence.Evidence) []Need {
	var out []Need
	for _, v := range ev.Image.Config.Volumes {
		out = append(out, Need{What: v, Declared: true, Reason: "VOLUME"})
	}
	for _, n := range likelyWritten(ev) {
		if !slices.ContainsFunc(out, func(o Need) bool { return below(n.What, o.What) }) {
			out = append(out, n)
		}
	}
	return distinct(out)
}

// below says whether a path is dir or lies in it; /var/run is a link to /run
// wherever both are.
func below(p, dir string) bool {
	real := func(p string) string {
		if p == "/var/run" || strings.HasPrefix(p, "/var/run/") {
			return strings.TrimPrefix(p, "/var")
		}
		return p
	}
	p, dir = real(p), strings.TrimSuffix(real(dir), "/")
	return p == dir || strings.HasPrefix(p, dir+"/")
}

// likelyWritten is what variables, well-known programs and world-writable
// directories give away, parents before what is below them.
func likelyWritten(ev evidence.Evidence) []Need {
	var out []Need
	add := func(p, format string, args ...any) {
		if p = path.Clean(p); strings.HasPrefix(p, "/") && p != "/" && !strings.Contains(p, evidence.Masked) {
			out = append(out, Need{What: p, Reason: fmt.Sprintf(format, args...)})
		}
	}
	for _, e := range ev.Image.Config.Env {
		switch e.Name {
		case "TMPDIR", "TMP", "TEMP", "PGDATA", "XDG_RUNTIME_DIR", "XDG_CACHE_HOME":
			add(e.Value, "the variable %s names it", e.Name)
		}
	}
	for _, program := range programs(ev.Image.Config) {
		for _, p := range writtenBy(program) {
			add(p, "%s usually writes there", program)
		}
	}
	for _, f := range ev.Files {
		if f.Kind == evidence.FileDirectory && f.Mode&evidence.ModeWorldWritable != 0 && f.RemovedBy == nil {
			add("/"+f.Path, "the directory is world-writable")
		}
	}
	slices.SortStableFunc(out, func(a, b Need) int { return cmp.Compare(a.What, b.What) })
	return out
}

// programs are the base names of the words of ENTRYPOINT and CMD, those of a shell's
// command included.
func programs(c *evidence.Config) []string {
	var out []string
	for _, arg := range slices.Concat(c.Entrypoint, c.Cmd) {
		for _, w := range strings.Fields(arg) {
			if name := path.Base(w); !slices.Contains(out, name) {
				out = append(out, name)
			}
		}
	}
	return out
}

// writtenBy are the paths that a well-known program writes to as its image and its
// distributions' packages set it up.
func writtenBy(program string) []string {
	switch program {
	case "nginx":
		return []string{"/var/cache/nginx", "/var/run"}
	case "httpd", "httpd-foreground":
		return []string{"/usr/local/apache2/logs"}
	case "apache2", "apache2ctl", "apachectl", "apache2-foreground":
		return []string{"/var/run/apache2", "/var/lock/apache2"}
	case "postgres":
		return []string{"/var/lib/postgresql/data", "/var/run/postgresql"}
	case "mysqld", "mariadbd":
		return []string{"/var/lib/mysql", "/var/run/mysqld", "/tmp"}
	case "redis-server", "valkey-server":
		return []string{"/data"}
	case "mongod":
		return []string{"/data/db", "/tmp"}
	case "catalina.sh":
		return []string{"/usr/local/tomcat/logs", "/usr/local/tomcat/temp", "/usr/local/tomcat/work"}
	case "java", "gunicorn", "uwsgi", "php-fpm":
		return []string{"/tmp"}
	case "rabbitmq-server":
		return []string{"/var/lib/rabbitmq"}
	case "supervisord":
		return []string{"/var/run", "/tmp"}
	default:
		return nil
	}
}

// startFiles are the files with privileges that a container starts.
func startFiles(ev evidence.Evidence) []evidence.File {
	words := ev.Image.Config.Entrypoint
	if len(words) == 0 {
		words = ev.Image.Config.Cmd
	}
	if len(words) == 0 {
		return nil
	}
	places := []string{path.Join("/", ev.Image.Config.WorkingDir, words[0])}
	switch {
	case strings.HasPrefix(words[0], "/"):
		places = []string{path.Clean(words[0])}
	case !strings.Contains(words[0], "/"):
		places = nil
		for _, e := range ev.Image.Config.Env {
			if e.Name == "PATH" {
				for dir := range strings.SplitSeq(e.Value, ":") {
					places = append(places, path.Join("/", dir, words[0]))
				}
			}
		}
	}
	var out []evidence.File
	for _, f := range ev.Files {
		if f.RemovedBy == nil && privilege(f) != "" && slices.Contains(places, "/"+f.Path) {
			out = append(out, f)
		}
	}
	return out
}

// privilege says what privileges a file grants to whoever runs it; empty for none.
func privilege(f evidence.File) string {
	if f.Kind != evidence.FileRegular && f.Kind != evidence.FileHardlink {
		return ""
	}
	var parts []string
	if f.Mode&evidence.ModeSetuid != 0 {
		parts = append(parts, "is setuid")
	}
	if f.Mode&evidence.ModeSetgid != 0 {
		parts = append(parts, "is setgid")
	}
	if len(f.Capabilities) > 0 {
		parts = append(parts, "has the capabilities "+strings.Join(f.Capabilities, ", "))
	}
	return strings.Join(parts, " and ")
}

// capabilityName is cap_net_raw as NET_RAW.
func capabilityName(s string) string {
	return strings.TrimPrefix(strings.ToUpper(s), "CAP_")
}
