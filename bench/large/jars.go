// SPDX-License-Identifier: Apache-2.0

package large

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"
)

// artifacts are Maven artifacts, some of them old ones.
var artifacts = strings.Fields(`
org.apache.logging.log4j:log4j-core:2.14.1 org.apache.logging.log4j:log4j-api:2.14.1 com.fasterxml.jackson.core:jackson-databind:2.9.8
com.fasterxml.jackson.core:jackson-core:2.9.8 com.fasterxml.jackson.core:jackson-annotations:2.9.8 org.springframework:spring-core:5.3.0
org.springframework:spring-web:5.3.0 org.springframework:spring-webmvc:5.3.0 org.springframework:spring-beans:5.3.0
org.springframework:spring-context:5.3.0 org.springframework.boot:spring-boot:2.4.0 commons-collections:commons-collections:3.2.1
commons-io:commons-io:2.6 commons-fileupload:commons-fileupload:1.3.1 commons-codec:commons-codec:1.11 org.apache.commons:commons-lang3:3.9
org.apache.commons:commons-text:1.9 org.apache.commons:commons-compress:1.18 com.google.guava:guava:24.1-jre com.google.code.gson:gson:2.8.5
org.yaml:snakeyaml:1.26 io.netty:netty-codec-http:4.1.42.Final io.netty:netty-handler:4.1.42.Final io.netty:netty-common:4.1.42.Final
org.eclipse.jetty:jetty-server:9.4.27.v20200227 org.eclipse.jetty:jetty-http:9.4.27.v20200227 org.apache.tomcat.embed:tomcat-embed-core:9.0.30
org.hibernate:hibernate-core:5.4.10.Final mysql:mysql-connector-java:8.0.15 org.postgresql:postgresql:42.2.5 com.h2database:h2:1.4.199
org.apache.struts:struts2-core:2.5.20 org.apache.shiro:shiro-core:1.4.0 org.bouncycastle:bcprov-jdk15on:1.60 dom4j:dom4j:1.6.1
org.slf4j:slf4j-api:1.7.30 ch.qos.logback:logback-classic:1.2.3 ch.qos.logback:logback-core:1.2.3 org.apache.httpcomponents:httpclient:4.5.10
org.apache.velocity:velocity-engine-core:2.2 com.thoughtworks.xstream:xstream:1.4.10 org.apache.kafka:kafka-clients:2.3.0
org.quartz-scheduler:quartz:2.3.0 com.squareup.okhttp3:okhttp:3.14.0 io.undertow:undertow-core:2.0.25.Final org.jsoup:jsoup:1.13.1
`)

const classesPerJar = 260

// jars are archives of classes, each on its own; one in ten holds others.
func jars() (*layer, error) {
	l := &layer{step: "COPY lib/ /opt/app/lib/"}
	r := random(3)
	var made [][2]string // path and content of those so far
	for i, a := range artifacts {
		f := strings.Split(a, ":")
		name := f[1] + "-" + f[2] + ".jar"
		content, err := jar(&r, f, i%5 != 4)
		if err != nil {
			return nil, err
		}
		l.add("opt/app/lib/"+name, 0o644, content)
		made = append(made, [2]string{name, string(content)})
		if i%10 != 9 {
			continue
		}
		content, err = fat(&r, fmt.Sprintf("service%d", i/10), made[len(made)-6:])
		if err != nil {
			return nil, err
		}
		l.add(fmt.Sprintf("opt/app/service%d.jar", i/10), 0o644, content)
	}
	return l, nil
}

// jar is one archive. Without its pom.properties only manifest, name and hash say what it is.
func jar(r *random, gav []string, properties bool) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	put := func(name string, method uint16, content []byte) error {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: epoch})
		if err == nil {
			_, err = w.Write(content)
		}
		return err
	}
	manifest := fmt.Sprintf("Manifest-Version: 1.0\r\nImplementation-Title: %s\r\nImplementation-Version: %s\r\nImplementation-Vendor-Id: %s\r\n\r\n", gav[1], gav[2], gav[0])
	err := put("META-INF/MANIFEST.MF", zip.Deflate, []byte(manifest))
	if properties && err == nil {
		err = put(path.Join("META-INF/maven", gav[0], gav[1], "pom.properties"), zip.Deflate,
			fmt.Appendf(nil, "groupId=%s\nartifactId=%s\nversion=%s\n", gav[0], gav[1], gav[2]))
	}
	dir := strings.ReplaceAll(gav[0], ".", "/")
	for i := range classesPerJar {
		if err != nil {
			return nil, err
		}
		err = put(fmt.Sprintf("%s/%s%d.class", dir, r.letters(lower, 8), i), zip.Deflate, class(r))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// class is like a class file: constants that compress, code that does not.
func class(r *random) []byte {
	b := []byte{0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, 52}
	for range 60 + r.n(60) {
		b = append(b, "\x01\x00\x20Ljava/lang/"+r.of(words)+"/"+r.of(words)+";()V"...)
	}
	return append(b, r.bytes(1000+r.n(4000))...)
}

// fat is an archive with others in it, stored as Spring Boot does.
func fat(r *random, name string, inside [][2]string) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	entries := [][2]string{{"META-INF/MANIFEST.MF", "Manifest-Version: 1.0\r\nStart-Class: test.example." + name + "\r\nMain-Class: org.springframework.boot.loader.JarLauncher\r\n\r\n"}}
	entries = append(entries, [2]string{"BOOT-INF/classes/Main.class", string(class(r))})
	for _, e := range inside {
		entries = append(entries, [2]string{"BOOT-INF/lib/" + e[0], e[1]})
	}
	for _, e := range entries {
		w, err := z.CreateHeader(&zip.FileHeader{Name: e[0], Method: zip.Store, Modified: epoch})
		if err != nil {
			return nil, err
		}
		if _, err := w.Write([]byte(e[1])); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}
