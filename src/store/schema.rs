// @generated from the migrated database; `UPDATE=1 cargo test --test gateway schema_rs` rewrites it.

diesel::table! {
    affected_sla (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        sla_id -> Uuid,
        sla_version_id -> Uuid,
        request_id -> Uuid,
        service_instance_id -> Nullable<Uuid>,
        standard_service_request_id -> Nullable<Uuid>,
        support_team_id -> Nullable<Uuid>,
        first_line_team_id -> Nullable<Uuid>,
        supplier_id -> Nullable<Uuid>,
        support_hours_id -> Nullable<Uuid>,
        service_hours_id -> Nullable<Uuid>,
        time_zone -> Nullable<Text>,
        impact -> Nullable<Text>,
        accountability -> Text,
        started_at -> Timestamptz,
        maximum_response_duration -> Nullable<Int4>,
        maximum_response_duration_in_days -> Nullable<Int4>,
        maximum_resolution_duration -> Nullable<Int4>,
        maximum_resolution_duration_in_days -> Nullable<Int4>,
        response_target_at -> Nullable<Timestamptz>,
        response_breaches_at -> Nullable<Timestamptz>,
        resolution_target_at -> Nullable<Timestamptz>,
        resolution_breaches_at -> Nullable<Timestamptz>,
        next_target -> Text,
        next_target_at -> Nullable<Timestamptz>,
        actual_response_at -> Nullable<Timestamptz>,
        actual_response_duration -> Nullable<Int4>,
        actual_resolution_at -> Nullable<Timestamptz>,
        actual_resolution_duration -> Nullable<Int4>,
        desired_completion_at -> Nullable<Timestamptz>,
        stopped_clock_at -> Nullable<Timestamptz>,
        stopped_clock_duration -> Int4,
        downtime_start_at -> Nullable<Timestamptz>,
        downtime_end_at -> Nullable<Timestamptz>,
        downtime_duration -> Nullable<Int4>,
        provider_not_accountable -> Bool,
        provider_was_not_accountable -> Bool,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        applies -> Bool,
        relations -> Jsonb,
        by_event -> Bool,
        superseded_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    affected_sla_recalculation (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        affected_sla_id -> Uuid,
        occurred_at -> Timestamptz,
    }
}

diesel::table! {
    audit_entry (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        at -> Timestamptz,
        actor_person_id -> Nullable<Uuid>,
        actor_service_token_id -> Nullable<Uuid>,
        actor_name -> Text,
        action -> Text,
        object_type -> Text,
        object_id -> Uuid,
        before -> Nullable<Jsonb>,
        after -> Nullable<Jsonb>,
    }
}

diesel::table! {
    authorization_epoch (id) {
        id -> Int2,
        epoch -> Int8,
    }
}

diesel::table! {
    breach (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        kind -> Text,
        phase -> Text,
        sla_id -> Nullable<Uuid>,
        affected_sla_id -> Nullable<Uuid>,
        sla_limit_id -> Nullable<Uuid>,
        target_at -> Timestamptz,
        detected_at -> Timestamptz,
        retracts_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    breach_key (root_id, subject_id, kind, phase, due_at, time_period) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        subject_id -> Uuid,
        kind -> Text,
        phase -> Text,
        due_at -> Timestamptz,
        breach_id -> Uuid,
        hours -> Nullable<Int4>,
        time_period -> Text,
    }
}

diesel::table! {
    breach_log (root_id, shard, pos) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        shard -> Int2,
        pos -> Int8,
        breach_id -> Uuid,
        published_at -> Timestamptz,
    }
}

diesel::table! {
    breach_log_head (shard) {
        shard -> Int2,
        pos -> Int8,
        low_pos -> Int8,
        epoch -> Int4,
        epoch_start -> Int8,
        system_id -> Nullable<Int8>,
        timeline -> Nullable<Int4>,
        home -> Nullable<Int8>,
        previous_epoch -> Nullable<Int4>,
    }
}

diesel::table! {
    breach_pending (root_id, breach_id) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        shard -> Int2,
        seq -> Int8,
        breach_id -> Uuid,
    }
}

diesel::table! {
    calendar (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        name -> Text,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    calendar_holiday (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        calendar_id -> Uuid,
        name -> Text,
        starts_at -> Timestamp,
        ends_at -> Timestamp,
    }
}

diesel::table! {
    calendar_hours (root_id, calendar_id, weekday, from_minute) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        calendar_id -> Uuid,
        weekday -> Int2,
        from_minute -> Int2,
        until_minute -> Int2,
    }
}

diesel::table! {
    deadline (root_id, affected_sla_id, kind, phase, due_at) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        affected_sla_id -> Uuid,
        sla_id -> Uuid,
        kind -> Text,
        phase -> Text,
        target_at -> Timestamptz,
        due_at -> Timestamptz,
    }
}

diesel::table! {
    idempotency_key (root_id, actor_id, action, key) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        actor_id -> Uuid,
        action -> Text,
        key -> Text,
        input_hash -> Bytea,
        object_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
    }
}

diesel::table! {
    limit_notification (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        sla_limit_id -> Uuid,
        period_start -> Timestamptz,
        contact -> Text,
        state -> Text,
        attempts -> Int4,
        last_error -> Nullable<Text>,
        next_attempt_at -> Timestamptz,
        settled_at -> Nullable<Timestamptz>,
        lease_id -> Nullable<Uuid>,
        leased_until -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        hours -> Int4,
        time_period -> Text,
        categories -> Array<Text>,
        first_attempt_at -> Nullable<Timestamptz>,
        last_attempt_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    login_claim (login_hash) {
        login_hash -> Int8,
    }
}

diesel::table! {
    offering_promise (root_id, service_offering_id, since) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        service_offering_id -> Uuid,
        since -> Timestamptz,
        content -> Jsonb,
    }
}

diesel::table! {
    offering_target (root_id, service_offering_id, impact) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        service_offering_id -> Uuid,
        impact -> Text,
        response_kind -> Text,
        response_amount -> Nullable<Int4>,
        resolution_kind -> Text,
        resolution_amount -> Nullable<Int4>,
        support_hours_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    organization (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        parent_id -> Nullable<Uuid>,
        name -> Text,
        external -> Bool,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    person (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        first_name -> Text,
        last_name -> Text,
        email -> Nullable<Text>,
        login -> Nullable<Text>,
        organization_id -> Nullable<Uuid>,
        site_id -> Nullable<Uuid>,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    project (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        name -> Text,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    request (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        channel -> Text,
        subject -> Text,
        status -> Text,
        impact -> Nullable<Text>,
        requester_id -> Nullable<Uuid>,
        service_instance_id -> Nullable<Uuid>,
        standard_service_request_id -> Nullable<Uuid>,
        team_id -> Nullable<Uuid>,
        sla_id -> Nullable<Uuid>,
        desired_completion_at -> Nullable<Timestamptz>,
        downtime_start_at -> Nullable<Timestamptz>,
        downtime_end_at -> Nullable<Timestamptz>,
        provider_not_accountable -> Bool,
        registered_at -> Timestamptz,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    request_event (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        request_id -> Uuid,
        occurred_at -> Timestamptz,
        received_at -> Timestamptz,
        event_key -> Text,
        sequence -> Int8,
        status -> Nullable<Text>,
        impact -> Nullable<Text>,
        service_instance_id -> Nullable<Uuid>,
        team_id -> Nullable<Uuid>,
        requester_id -> Nullable<Uuid>,
        desired_completion_at -> Nullable<Timestamptz>,
        downtime_start_at -> Nullable<Timestamptz>,
        downtime_end_at -> Nullable<Timestamptz>,
        provider_not_accountable -> Nullable<Bool>,
        cleared -> Array<Text>,
        sla_id -> Nullable<Uuid>,
        sla_inactive -> Nullable<Bool>,
    }
}

diesel::table! {
    role (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        name -> Text,
        permissions -> Array<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    role_grant (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        role_id -> Uuid,
        person_id -> Nullable<Uuid>,
        service_token_id -> Nullable<Uuid>,
        created_at -> Timestamptz,
        created_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    service (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        name -> Text,
        provider_id -> Uuid,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    service_instance (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        service_id -> Uuid,
        name -> Text,
        support_team_id -> Nullable<Uuid>,
        first_line_team_id -> Nullable<Uuid>,
        provider_id -> Nullable<Uuid>,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    service_instance_relation (root_id, consumer_id, used_id) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        consumer_id -> Uuid,
        used_id -> Uuid,
        effect -> Text,
    }
}

diesel::table! {
    service_instance_user (root_id, service_instance_id, person_id) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        service_instance_id -> Uuid,
        person_id -> Uuid,
    }
}

diesel::table! {
    service_offering (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        service_id -> Uuid,
        name -> Text,
        status -> Text,
        time_zone -> Text,
        service_hours_id -> Nullable<Uuid>,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    service_token (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        name -> Text,
        secret_hash -> Bytea,
        scopes -> Nullable<Array<Text>>,
        expires_at -> Nullable<Timestamptz>,
        revoked_at -> Nullable<Timestamptz>,
        last_used_at -> Nullable<Timestamptz>,
        created_at -> Timestamptz,
        created_by -> Nullable<Uuid>,
        revision -> Int4,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    site (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        name -> Text,
        time_zone -> Nullable<Text>,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    sla (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        kind -> Text,
        name -> Text,
        description -> Nullable<Text>,
        shared -> Bool,
        active -> Bool,
        status -> Text,
        active_version_id -> Uuid,
        livechat_due_minutes -> Nullable<Int4>,
        customer_id -> Nullable<Uuid>,
        customer_rep_id -> Nullable<Uuid>,
        service_level_manager_id -> Nullable<Uuid>,
        start_date -> Nullable<Date>,
        notice_date -> Nullable<Date>,
        expiry_date -> Nullable<Date>,
        remarks -> Nullable<Text>,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        created_by -> Nullable<Uuid>,
        updated_at -> Timestamptz,
        updated_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    sla_activation (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        sla_id -> Uuid,
        sla_version_id -> Uuid,
        activated_at -> Timestamptz,
        activated_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    sla_limit (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        project_id -> Uuid,
        time_limit_in_hours -> Int4,
        time_period -> Text,
        contact_type -> Text,
        contact -> Text,
        categories -> Array<Text>,
        deactivated_until -> Nullable<Timestamptz>,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    sla_version (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        sla_id -> Uuid,
        number -> Int4,
        version_name -> Text,
        description -> Nullable<Text>,
        kind -> Text,
        sla_threshold -> Nullable<Int4>,
        abandon_type -> Nullable<Text>,
        abandon_threshold -> Nullable<Int4>,
        due_time_in_minutes -> Nullable<Int4>,
        service_offering_id -> Nullable<Uuid>,
        service_instance_id -> Nullable<Uuid>,
        coverage -> Nullable<Text>,
        created_at -> Timestamptz,
        created_by -> Nullable<Uuid>,
    }
}

diesel::table! {
    sla_version_organization (root_id, sla_version_id, organization_id) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        sla_version_id -> Uuid,
        organization_id -> Uuid,
    }
}

diesel::table! {
    sla_version_person (root_id, sla_version_id, person_id) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        sla_version_id -> Uuid,
        person_id -> Uuid,
    }
}

diesel::table! {
    sla_version_service_instance (root_id, sla_version_id, service_instance_id) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        sla_version_id -> Uuid,
        service_instance_id -> Uuid,
    }
}

diesel::table! {
    sla_version_site (root_id, sla_version_id, site_id) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        sla_version_id -> Uuid,
        site_id -> Uuid,
    }
}

diesel::table! {
    standard_service_request (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        service_offering_id -> Uuid,
        name -> Text,
        response_kind -> Text,
        response_amount -> Nullable<Int4>,
        resolution_kind -> Text,
        resolution_amount -> Nullable<Int4>,
        support_hours_id -> Nullable<Uuid>,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    team (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        name -> Text,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    team_member (root_id, team_id, person_id) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        team_id -> Uuid,
        person_id -> Uuid,
    }
}

diesel::table! {
    tenant (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        parent_id -> Nullable<Uuid>,
        slug -> Text,
        name -> Text,
        time_zone -> Text,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
        default_sla_id -> Nullable<Uuid>,
    }
}

diesel::table! {
    tenant_closure (root_id, ancestor_id, descendant_id) {
        root_id -> Uuid,
        ancestor_id -> Uuid,
        descendant_id -> Uuid,
        depth -> Int2,
    }
}

diesel::table! {
    time_entry (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        project_id -> Uuid,
        person_id -> Nullable<Uuid>,
        category -> Text,
        started_at -> Timestamptz,
        ended_at -> Timestamptz,
        source -> Nullable<Text>,
        source_id -> Nullable<Text>,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    webhook (root_id, id) {
        root_id -> Uuid,
        id -> Uuid,
        tenant_id -> Uuid,
        name -> Text,
        url -> Text,
        kinds -> Array<Text>,
        phases -> Array<Text>,
        active -> Bool,
        epoch -> Int4,
        pos -> Int8,
        delivered_at -> Nullable<Timestamptz>,
        attempted_at -> Nullable<Timestamptz>,
        last_status -> Nullable<Int4>,
        last_error -> Nullable<Text>,
        failures -> Int4,
        failing_since -> Nullable<Timestamptz>,
        next_attempt_at -> Timestamptz,
        disabled_at -> Nullable<Timestamptz>,
        disabled_reason -> Nullable<Text>,
        lease_id -> Nullable<Uuid>,
        leased_until -> Nullable<Timestamptz>,
        revision -> Int4,
        created_at -> Timestamptz,
        updated_at -> Timestamptz,
    }
}

diesel::table! {
    webhook_secret (root_id, webhook_id) {
        root_id -> Uuid,
        tenant_id -> Uuid,
        webhook_id -> Uuid,
        secret -> Bytea,
        previous -> Nullable<Bytea>,
        previous_until -> Nullable<Timestamptz>,
    }
}
