#!/usr/bin/env bats
# SPDX-License-Identifier: MIT
# What a container is called: asked of real engines, and of ones that are none.
bats_require_minimum_version 1.5.0

setup_file() {
	load common
	cf_up 'push = no'
	docker_up
	BASE=$(docker_image_base base)
	export BASE
}
teardown_file() {
	load common
	cf_down
}
setup() {
	load common
	cf_config 'push = no'
	cf_default_pattern
	forget_crashes
}

# docker_crash [DOCKER RUN OPTION]...: the container's init crashes; waits for all that follows.
docker_crash() {
	local where
	mapfile -t where <"$COREFERRY_SESSION/docker"
	DOCKER_CONFIG=$COREFERRY_SESSION/docker-config run_for 60 "${where[0]}" -H "${where[1]}" run --rm --label "$(docker_label)" --network none -v "$T/tests:/t:ro" "$@" "$BASE" \
		/t/crasher-static >"$T/docker.out" 2>&1 || true
	wait_quiet
	echo "# held $(field .capture.held_ms) ms"
}

@test "names: Docker: name, image, labels, of a container that is removed when it ends" {
	docker_crash --name cf-web-1 --label team=core --label 'com.example.evil=a"b\c' --label empty=
	is outcome "$(field .outcome)" stored
	is runtime "$(field .container.runtime)" docker
	is name "$(field .container.name)" cf-web-1
	is image "$(field .container.image)" "$BASE"
	is "image's id" "$(field .container.image_id)" "$(docker_cli image inspect -f '{{.Id}}' "$BASE")"
	is label "$(field .container.labels.team)" core
	is label "$(field '.container.labels["com.example.evil"]')" 'a"b\x5cc'
	is label "$(field '.container.labels | has("empty")')" true
	is lookup "$(field .container.lookup)" null
	is owner "$(field .container.owner)" null
	[[ $(field .container.id) =~ ^[0-9a-f]{64}$ ]]
	cf info last | grep -Eq '^  image +'"$BASE"
	cf info last | grep -Eq '^  labels? +com.example.evil=a"b.x5cc'
	# By its name, a pattern, or the beginning of its id; and no other's.
	for container in cf-web-1 'cf-w*' "$(field .container.id | cut -c1-12)"; do
		is crashes "$(cf list --json --container "$container" | jq length)" 1
		is rows "$(cf list --container "$container" | wc -l)" 2
	done
	for container in cf-web cf-web-2 ''; do
		is crashes "$(cf list --json --container "$container" | jq length)" 0
	done
}

@test "names: Docker: a name is written escaped wherever an engine would let it through" {
	docker_crash --label "evil=$(printf 'a\033]0;x\007\nb')" --label "$(printf 'k\033[31m')=v" \
		--label "big=$(head -c 5000 /dev/zero | tr '\0' x)"
	is label "$(field .container.labels.evil)" 'a\x1b]0;x\x07\x0ab'
	is label "$(field '.container.labels["k\\x1b[31m"]')" v
	is "left out" "$(field .container.labels_left_out)" 1
	run -0 cf info last
	[[ $output != *$'\e'* && $output == *'evil=a\x1b]0;x\x07\x0ab'* ]]
}

# own_engine: prints the pid of the dockerd that docker_up has started; nobody else's is stopped.
own_engine() { cat "$(dirname "$(docker_socket)")/dockerd.pid"; }

# waiting_container NAME [OPTION]...: a container in which a child of its init crashes when crash_now NAME is called.
waiting_container() {
	local name=$1
	shift
	mkdir -p "$T/go"
	rm -f "$T/go/$name"
	docker_start "$name" -v "$T/tests:/t:ro" -v "$T/go:/go:ro" "$@" "$BASE" \
		sh -c "while [ ! -e /go/$name ]; do sleep 0.05; done; /t/crasher-static; sleep 1000"
}

crash_now() {
	touch "$T/go/$1"
	wait_until 20 crashed
	wait_quiet
}
crashed() { (($(crash_count) > 0)); }

@test "names: Docker: an engine that is stopped costs container_lookup_timeout, and the victim nothing unless it must" {
	local pid held
	pid=$(own_engine)
	for lines in 'container_lookup_timeout = 700ms' $'container_lookup_timeout = 700ms\nexclude_container = other'; do
		forget_crashes
		cf_config 'push = no' "$lines"
		waiting_container cf-stopped
		kill -STOP "$pid"
		crash_now cf-stopped || { kill -CONT "$pid" && false; }
		kill -CONT "$pid"
		docker_destroy cf-stopped
		is outcome "$(field .outcome)" stored
		[[ $(field .container.id) =~ ^[0-9a-f]{64}$ ]]
		is lookup "$(field .container.lookup)" "the engine's answer: container_lookup_timeout is over"
		is name "$(field .container.name)" null
		held=$(field '.capture.held_ms | floor')
		echo "# held $held ms"
		if [[ $lines == *exclude* ]]; then
			((held >= 700 && held < 1500))
		else
			((held < 700))
		fi
		check_core
	done
}
